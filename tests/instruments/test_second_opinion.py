"""Second opinions: published rules written out once more, from the rule and not from our data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

import numpy as np

from outcomes.instruments.batch import score_many
from outcomes.instruments.scoring import score
from tests.library import LIBRARY

FORMS = 4000


def random_forms(items: int, highest: int, seed: int) -> Iterator[list[int]]:
    """Yield forms whose answers lean to one end or the other, so that every band is met."""
    random = Random(seed)
    for _ in range(FORMS):
        mode = random.uniform(0, highest)
        yield [round(random.triangular(0, highest, mode)) for _ in range(items)]


def by_number(answers: list[int]) -> dict[str, int | None]:
    return {str(number): answer for number, answer in enumerate(answers, start=1)}


# -- DASS-21: Lovibond & Lovibond 1995 -----------------------------------------------------------

#: one letter an item, as on the manual's scoring template
DASS_KEY = "SADADSASADSSDSADDSAAD"
#: the manual's first score of mild, moderate, severe and extremely severe
DASS_STARTS = {"D": (10, 14, 21, 28), "A": (8, 10, 15, 20), "S": (15, 19, 26, 34)}
DASS_WORDS = ("normal", "mild", "moderate", "severe", "extremely severe")


def test_the_dass_21_agrees_with_its_template() -> None:
    met = set()
    for answers in random_forms(21, 3, seed=21):
        scores = score(LIBRARY["DASS-21"], by_number(answers)).scores
        for letter, code in zip("DAS", ("depression", "anxiety", "stress"), strict=True):
            doubled = 0
            for key, answer in zip(DASS_KEY, answers, strict=True):
                doubled += 2 * answer if key == letter else 0
            word = DASS_WORDS[sum(doubled >= start for start in DASS_STARTS[letter])]
            assert (scores[code].value, scores[code].band) == (doubled, word)
            met.add((letter, word))
    assert len(met) == 15


# -- QIDS-SR16: Rush et al. 2003 -----------------------------------------------------------------


def qids(answers: list[int | None]) -> tuple[int, str]:
    """Add up the nine domains; None is the question on weight or appetite not chosen."""
    (q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11, q12, q13, q14, q15, q16) = (
        answer or 0 for answer in answers
    )
    sleep = max(q1, q2, q3, q4)
    appetite_and_weight = max(q6, q7, q8, q9)
    psychomotor = max(q15, q16)
    total = sleep + q5 + appetite_and_weight + q10 + q11 + q12 + q13 + q14 + psychomotor
    if total <= 5:
        return total, "none"
    if total <= 10:
        return total, "mild"
    if total <= 15:
        return total, "moderate"
    return total, "severe" if total <= 20 else "very severe"


def test_the_qids_agrees_with_its_nine_domains() -> None:
    random, met = Random(16), set()
    for whole in random_forms(16, 3, seed=16):
        answers: list[int | None] = list(whole)
        for pair in ((5, 6), (7, 8)):
            if random.random() < 0.5:
                answers[random.choice(pair)] = None
        form = {str(i): answer for i, answer in enumerate(answers, start=1)}
        total = score(LIBRARY["QIDS-SR16"], form).scores["total"]
        assert (total.value, total.band) == qids(answers)
        met.add(total.band)
    assert len(met) == 5


# -- PCL-5: Weathers et al. 2013 -----------------------------------------------------------------


def is_provisional_ptsd(answers: list[int]) -> bool:
    """Count symptoms rated 2 or more: one of B, one of C, two of D, two of E."""
    b, c = answers[:5], answers[5:7]
    d, e = answers[7:14], answers[14:]
    return (
        any(rating >= 2 for rating in b)
        and any(rating >= 2 for rating in c)
        and len([rating for rating in d if rating >= 2]) >= 2
        and len([rating for rating in e if rating >= 2]) >= 2
    )


PCL5_WORDS = {True: "criteria met", False: "criteria not met"}


def test_the_pcl_5_agrees_with_its_clusters_and_the_dsm_5_rule() -> None:
    met = []
    for answers in random_forms(20, 4, seed=5):
        scores = score(LIBRARY["PCL-5"], by_number(answers)).scores
        values = [scores[code].value for code in ("total", "b", "c", "d", "e")]
        clusters = [answers[:5], answers[5:7], answers[7:14], answers[14:]]
        assert values == [sum(answers), *(sum(cluster) for cluster in clusters)]
        has_it = is_provisional_ptsd(answers)
        assert scores["provisional_ptsd"].band == PCL5_WORDS[has_it]
        met.append(has_it)
    assert 500 < sum(met) < 3500


def test_the_pcl_5_rule_is_left_open_only_where_an_open_item_decides_it() -> None:
    random, met = Random(55), set()
    for answers in random_forms(20, 4, seed=55):
        open_ = random.sample(range(20), 2)
        could = set()
        for first, second in product((0, 4), repeat=2):
            filled = list(answers)
            filled[open_[0]], filled[open_[1]] = first, second
            could.add(is_provisional_ptsd(filled))
        form = by_number(answers)
        for place in open_:
            form[str(place + 1)] = None
        scores = score(LIBRARY["PCL-5"], form).scores
        expected = PCL5_WORDS[could.pop()] if len(could) == 1 else None
        assert scores["provisional_ptsd"].band == expected
        assert scores["total"].value is None
        met.add(expected)
    assert len(met) == 3


# -- PHQ-9: the algorithm of Spitzer, Kroenke & Williams 1999 ------------------------------------


def test_every_possible_phq9_has_the_syndrome_that_the_published_algorithm_gives() -> None:
    numbers = np.arange(4**9)
    digits = np.stack([numbers // 4**place % 4 for place in range(9)], axis=1)
    present = digits >= np.array([2, 2, 2, 2, 2, 2, 2, 2, 1])
    symptoms = np.count_nonzero(present, axis=1)
    core = (digits[:, 0] >= 2) | (digits[:, 1] >= 2)
    names = np.select(
        [core & (symptoms >= 5), core & (symptoms >= 2)],
        ["major depressive syndrome", "other depressive syndrome"],
        "neither",
    )
    matrix = np.column_stack([digits, numbers % 4]).astype(np.int8)
    result = score_many(LIBRARY["PHQ-9"], matrix)
    syndrome, total = result.levels["syndrome"], result.scales["total"]
    np.testing.assert_array_equal(np.array(syndrome.labels)[syndrome.ranks], names)
    np.testing.assert_array_equal(total.values, digits.sum(axis=1))
    starts = np.digitize(digits.sum(axis=1), [5, 10, 15, 20])
    words = np.array(["none-minimal", "mild", "moderate", "moderately severe", "severe"])
    np.testing.assert_array_equal(np.array(total.labels)[total.bands], words[starts])
