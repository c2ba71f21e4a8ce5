"""Encrypts and decrypts objects in Tink's AES-GCM-HKDF streaming format, whole and by range. Pure. See FORMAT.md."""

from gateway.envelope.decryptor import Decryptor
from gateway.envelope.encryptor import Encryptor
from gateway.envelope.files import decrypt_file, encrypt_file
from gateway.envelope.keycheck import key_check, verify_key
from gateway.envelope.layout import HEADER_BYTES, SEGMENT_BYTES, TAG_BYTES, ciphertext_size, plaintext_size
from gateway.envelope.ranges import RangeDecryptor, RangePlan, plan_range
from gateway.envelope.reader import Reader
from gateway.envelope.streams import decrypt_stream, encrypt_stream, open_sealed, seal

__all__ = [
    "HEADER_BYTES",
    "SEGMENT_BYTES",
    "TAG_BYTES",
    "Decryptor",
    "Encryptor",
    "RangeDecryptor",
    "RangePlan",
    "Reader",
    "ciphertext_size",
    "decrypt_file",
    "decrypt_stream",
    "encrypt_file",
    "encrypt_stream",
    "key_check",
    "open_sealed",
    "plaintext_size",
    "plan_range",
    "seal",
    "verify_key",
]
