"""The decision point: the IAM policy language, pure. Reads policies, decides, explains, and finds their mistakes."""

from gateway.policy.decide import PolicySet
from gateway.policy.folder import load_policies

__all__ = ["PolicySet", "load_policies"]
