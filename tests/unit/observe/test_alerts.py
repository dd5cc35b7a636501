"""The alert rules that the documents offer: every metric they name is exported, with the labels they use; and they fire."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncline.observe.metrics import FAMILIES, STANDINGS

FILE = Path(__file__).parents[3] / "docs/alerts.yaml"
RULES: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"][0]["rules"]
BY_NAME = {one.name: one for one in FAMILIES}
NAME = re.compile(r"\bsyncline_\w+")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")


def test_what_must_wake_somebody_is_among_them() -> None:
    text = {rule["alert"]: rule["expr"] for rule in RULES}
    assert len(text) == len(RULES)
    for piece in (
        'standing="drift"',
        "stalled",
        'standing="away"',
        "syncline_lag_seconds",
        "syncline_parked_rows",
        "hub_running",
    ):
        assert any(piece in expr for expr in text.values()), piece


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_names_what_is_exported(rule: dict[str, Any]) -> None:
    names = NAME.findall(rule["expr"])
    assert names
    assert set(names) <= set(BY_NAME)
    for name, inner in re.findall(r"(syncline_\w+)\{([^}]*)\}", rule["expr"]):
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', inner):
            assert label in BY_NAME[name].labels
            assert label != "standing" or set(value.split("|")) <= set(STANDINGS)
    used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    if "absent(" not in rule["expr"]:
        assert used
        assert used <= set.intersection(*({*BY_NAME[name].labels} for name in names))
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"[1-9]\d*[smhd]", rule.get("for", "1s"))


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    done = subprocess.run([str(PROMTOOL), "check", "rules", str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


COPY = 'collection="customers", peer="van", space="crm"'
FIRES = (
    ("SynclineDrift", [f'syncline_proof_standing{{{COPY}, standing="drift"}}'], "1x20", "1m"),
    (
        "SynclineProofStalled",
        [f'syncline_proof_standing{{{COPY}, standing="stalled"}}', f"syncline_proof_alarm{{{COPY}}}"],
        "1x20",
        "2m",
    ),
    (
        "SynclineProofStalled",
        [f'syncline_proof_standing{{{COPY}, standing="unproven"}}', f"syncline_proof_alarm{{{COPY}}}"],
        "1x20",
        "2m",
    ),
    ("SynclineAway", [f'syncline_proof_standing{{{COPY}, standing="away"}}', f"syncline_proof_alarm{{{COPY}}}"], "1x20", "6m"),
    ("SynclineLag", [f"syncline_lag_seconds{{{COPY}}}"], "301x20", "6m"),
    ("SynclineParked", [f"syncline_parked_rows{{{COPY}}}"], "2x20", "16m"),
    ("SynclineHubDown", ['syncline_hub_running{space="crm"}'], "0x20", "3m"),
    ("SynclineHubDown", ['syncline_hub_answering{space="crm"}'], "0x20", "3m"),
    ("SynclineNotWatched", ["another"], "0x20", "6m"),
)
CALM = (
    ("SynclineProofStalled", [f'syncline_proof_standing{{{COPY}, standing="unproven"}}', f"other{{{COPY}}}"], "1x20", "2m"),
    ("SynclineAway", [f'syncline_proof_standing{{{COPY}, standing="away"}}', f"other{{{COPY}}}"], "1x20", "6m"),
    ("SynclineDrift", [f'syncline_proof_standing{{{COPY}, standing="drift"}}'], "0x20", "6m"),
    ("SynclineNotWatched", ['syncline_hub_running{space="crm"}'], "1x20", "6m"),
    ("SynclineHubDown", ['syncline_hub_running{space="crm"}'], "1x20", "6m"),
)


@needs_promtool
@pytest.mark.parametrize(("alert", "series", "values", "at"), [*FIRES, *CALM])
def test_a_rule_fires_when_it_should(tmp_path: Path, alert: str, series: list[str], values: str, at: str) -> None:
    inputs = [{"series": one, "values": values} for one in series]
    expected = [{"alertname": alert, "eval_time": at}]  # that nothing fires
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": expected}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(FILE)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(path)], capture_output=True, text=True, check=False)
    fires = (alert, series, values, at) in FIRES
    assert (done.returncode != 0) == fires, done.stdout + done.stderr
    assert not fires or f'alertname="{alert}"' in done.stdout + done.stderr
