"""Every write of the responses room, by noun."""

from outcomes.responses.services.answers import (
    AlreadySubmitted,
    Answers,
    StaleRevision,
    correct,
    current_response,
    finalise,
    lock_assignment,
    result_of,
    safety_of,
    save_answers,
    scores_of,
    store_scores,
)
from outcomes.responses.services.rescoring import Outdated, Rescored, find_outdated, rescore

__all__ = [
    "AlreadySubmitted",
    "Answers",
    "Outdated",
    "Rescored",
    "StaleRevision",
    "correct",
    "current_response",
    "finalise",
    "find_outdated",
    "lock_assignment",
    "rescore",
    "result_of",
    "safety_of",
    "save_answers",
    "scores_of",
    "store_scores",
]
