"""List the tests that were skipped in every run; with CI=true that is a failure.

Usage: ran_nowhere.py REPORT.xml ... (JUnit reports of the runs)
"""

import os
import sys
from xml.etree import ElementTree


def main(reports: list[str]) -> int:
    """Print what ran nowhere and why; return the exit status."""
    ran: set[str] = set()
    skipped: dict[str, str] = {}
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            skip = case.find("skipped")
            if skip is None:
                ran.add(name)
            else:
                skipped[name] = skip.get("message", "")
    nowhere = sorted(set(skipped) - ran)
    for name in nowhere:
        print(f"ran nowhere: {name}: {skipped[name]}")
    print(f"{len(ran)} tests ran in at least one of {len(reports)} runs, {len(nowhere)} in none.")
    return 1 if nowhere and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
