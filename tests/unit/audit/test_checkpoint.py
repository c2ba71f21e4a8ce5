import pytest

from gateway.audit.checkpoint import Checkpoint, open_checkpoint, read_checkpoint, read_history
from gateway.audit.note import VerifierKey
from gateway.errors import InvalidProof

# The checkpoint and cosignature that C2SP's tlog-checkpoint and tlog-cosignature are specified with.
NOTE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()  # noqa: E501  # lines of their format


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        "log\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nan extension\n",
    ],
)
def test_a_note_that_states_no_tree_is_no_checkpoint(text):
    with pytest.raises(InvalidProof):
        read_checkpoint(text)


def test_a_key_signs_for_its_own_log_alone(signer):
    with pytest.raises(InvalidProof, match="No key was given for the log 'example"):
        open_checkpoint(NOTE, signer.verifiers())
    with pytest.raises(InvalidProof, match="none of the keys"):
        open_checkpoint(NOTE, [VerifierKey("example.com/behind-the-sofa", bytes(32))])


def test_the_specifications_checkpoint_is_read_and_written_alike():
    text = NOTE.partition(b"\n\n")[0].decode() + "\n"
    checkpoint = read_checkpoint(text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text == text
    assert read_checkpoint(Checkpoint("log", 0, bytes(32)).text).size == 0


def test_a_history_is_read_note_by_note_up_to_what_is_whole():
    lines = (NOTE + b"\n") * 3
    assert list(read_history(lines.splitlines(keepends=True))) == [NOTE] * 3
    for cut in range(1, len(NOTE) + 1):
        assert list(read_history(lines[:-cut].splitlines(keepends=True))) == [NOTE] * 2
