# SPDX-License-Identifier: MIT
"""Verdict lines of a test: `PASS|FAIL|SKIP name: text`, and a SUMMARY last; exit status 0, 1, or 77 if all was skipped."""
import sys
import traceback


class Failed(Exception):
    """A check that did not hold; ends the test it is in, not the program."""


class Skipped(Exception):
    """The machine lacks what the test needs."""


def check(holds, text):
    """Goes on if @holds."""
    if not holds:
        raise Failed(text)


class Report:
    """Counts verdicts; one for a program."""

    def __init__(self):
        self.counts = {'PASS': 0, 'FAIL': 0, 'SKIP': 0}

    def say(self, verdict, name, text):
        """One line for one test."""
        self.counts[verdict] += 1
        print(f'{verdict} {name}: {text}', flush=True)

    def run(self, name, test, *args):
        """Runs test(*args); what it returns is the text of its PASS line. Returns whether it passed."""
        try:
            self.say('PASS', name, test(*args) or 'as expected')
            return True
        except Skipped as e:
            self.say('SKIP', name, str(e))
        except Failed as e:
            self.say('FAIL', name, str(e))
        except Exception as e:  # pylint: disable=broad-except
            where = traceback.extract_tb(e.__traceback__)[-1]
            self.say('FAIL', name, f'{type(e).__name__}: {e} ({where.name}, line {where.lineno})')
        return False

    def close(self):
        """Prints SUMMARY and ends the program."""
        counts = self.counts
        print(f'SUMMARY {counts["PASS"]} passed, {counts["FAIL"]} failed, {counts["SKIP"]} skipped', flush=True)
        if counts['FAIL'] or not sum(counts.values()):
            sys.exit(1)
        sys.exit(0 if counts['PASS'] else 77)
