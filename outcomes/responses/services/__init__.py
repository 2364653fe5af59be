"""Every write of the responses room, by noun."""

from outcomes.responses.services.answers import (
    AlreadySubmitted,
    Answers,
    Held,
    Paper,
    StaleRevision,
    correct,
    current_response,
    finalise,
    lock,
    result_of,
    safety_of,
    save_answers,
    scores_of,
    store_scores,
)
from outcomes.responses.services.confirming import set_loss_confirmed
from outcomes.responses.services.remarks import (
    OtherRemark,
    Words,
    is_remark_stored,
    store_remark,
    tidied,
)
from outcomes.responses.services.rescoring import Outdated, Rescored, find_outdated, rescore
from outcomes.responses.services.seeing import last_seen_on, mark_seen

__all__ = [
    "AlreadySubmitted",
    "Answers",
    "Held",
    "OtherRemark",
    "Outdated",
    "Paper",
    "Rescored",
    "StaleRevision",
    "Words",
    "correct",
    "current_response",
    "finalise",
    "find_outdated",
    "is_remark_stored",
    "last_seen_on",
    "lock",
    "mark_seen",
    "rescore",
    "result_of",
    "safety_of",
    "save_answers",
    "scores_of",
    "set_loss_confirmed",
    "store_remark",
    "store_scores",
    "tidied",
]
