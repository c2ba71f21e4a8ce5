"""The decision point: the IAM policy language, pure. Reads policies, decides, explains, and finds their mistakes."""

from gateway.policy.decide import PolicySet
from gateway.policy.explain import Explanation, explain, reason
from gateway.policy.folder import load_policies
from gateway.policy.watch import WatchedPolicies

__all__ = ["Explanation", "PolicySet", "WatchedPolicies", "explain", "load_policies", "reason"]
