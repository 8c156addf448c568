"""`recompra demo`, short, from its start to its summary."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streams.report.writing import REPORTS


@pytest.mark.broker
@pytest.mark.slow
def test_the_demo_ends_by_itself_with_a_summary(tmp_path: Path) -> None:
    """Fifty days through the broker and all parts: every record is accounted for; plot and reports are there."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "demo", "--days", "50", "--shop", "--json", "--plot", "plot.png"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["accounted"] is True
    assert summary["accounts"]["applied"] == summary["orders"] + summary["synthetic"]
    assert summary["orders"] > 500
    reached = {count["rule"]: count["reached"] for count in summary["rules"]}
    assert sum(customers >= 20 for customers in reached.values()) == summary["firing"]["rules"] >= 12
    assert reached["order-confirmed"] > 200
    assert reached["retarget-complement"] > 0
    assert summary["shown"]["first-order"]["data"]["shop_version"] > 0
    assert summary["shown"]["first-order"]["data"]["details"]["order"]["products"]
    assert "no_consent" in summary["withheld"]
    december = summary["months"][0]
    assert december["month"] == "2010-12"
    assert december["scores"] > 100
    assert 0.5 < december["auc"] < 0.9
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert summary["reports"] == "recompra-demo-reports"
    pages = {page.stem: page.read_text() for page in (tmp_path / "recompra-demo-reports").iterdir()}
    assert set(pages) == set(REPORTS)
    assert "2010-12" in pages["retention"]
    assert "order-confirmed" in pages["rules"]
