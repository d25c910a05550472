"""Known vulnerabilities of what constraints.txt pins: `make audit`.

pip-audit calls a package that its source does not know "skipped" and ends well, also where all of
them are: a source that cannot be reached would look like one that knows of nothing.
"""

import json
import subprocess
import sys
from typing import Any

PIP_AUDIT = "pip-audit@2.10.1"
FOUND, NOT_ASKED = 1, 2


def judged(report: dict[str, Any]) -> tuple[list[str], int]:
    """Return what is to be said of pip-audit's report, and with which status to end."""
    lines, skipped = [], []
    for one in report["dependencies"]:
        if "skip_reason" in one:
            skipped.append(one["name"])
            continue
        for known in one["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version yet"
            names = ", ".join([known["id"], *known.get("aliases", ())])
            lines.append(f"{one['name']} {one['version']}: {names}; fixed in {fixed}")
    count = len(report["dependencies"])
    if skipped:
        lines.append(
            f"not checked: of {len(skipped)} of {count} packages no vulnerability data can be had "
            f"here ({', '.join(skipped[:3])} …)"
        )
        return lines, NOT_ASKED
    if lines:
        return lines, FOUND
    return [f"no known vulnerabilities in {count} packages"], 0


def main(uv: str) -> int:
    """Ask pip-audit, which uv brings in an environment of its own."""
    asked = [
        *(uv, "tool", "run", "--quiet", PIP_AUDIT),
        *("-r", "constraints.txt", "--no-deps", "--disable-pip"),
        *("--progress-spinner", "off", "-f", "json"),
    ]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    try:
        report = json.loads(done.stdout)
    except ValueError:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        sys.stderr.write(f"not checked: pip-audit cannot ask: {reason}\n")
        return NOT_ASKED
    lines, status = judged(report)
    sys.stdout.write("\n".join(lines) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
