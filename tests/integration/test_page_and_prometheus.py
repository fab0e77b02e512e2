"""A real browser on the page and a real Prometheus on the metrics, before a real gateway and model server."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, timeout_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(url)


@pytest.fixture(scope="module")
def servers(saved_model, tmp_path_factory):
    """URLs of a gateway and of the model server behind it."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(saved_model, home / "served" / "taste" / "4")
    rest, grpc, page = (free_port() for _ in range(3))
    sazon = [sys.executable, "-m", "sazon.cli.main"]
    commands = [
        [*sazon, "serve", "--rest_api_port", rest, "--port", grpc],
        [*sazon, "app", "--port", page, "--model-grpc", f"127.0.0.1:{grpc}"],
    ]
    import os

    environment = {**os.environ, "SAZON_HOME": str(home)}
    running = [subprocess.Popen([str(part) for part in command], env=environment) for command in commands]
    try:
        wait_for(f"http://127.0.0.1:{rest}/v1/models/taste")
        wait_for(f"http://127.0.0.1:{page}/readyz")
        yield f"http://127.0.0.1:{page}", f"127.0.0.1:{rest}"
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    quiet = ("background-networking", "component-update", "sync", "gpu", "dev-shm-usage")
    for flag in (
        "headless=new",
        "no-sandbox",
        "no-first-run",
        "window-size=420,900",
        *(f"disable-{it}" for it in quiet),
    ):
        options.add_argument(f"--{flag}")
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield made
    made.quit()


def explain_once(page: str, timeout_s: float = 90.0) -> None:
    """A version's first explanation takes long, on a busy machine longer than the gateway waits."""
    body, deadline_s = json.dumps({"text": "hola"}).encode(), time.monotonic() + timeout_s
    request = urllib.request.Request(f"{page}/api/v1/explain", body, {"Content-Type": "application/json"})
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(request, timeout=20):
                return
        except urllib.error.HTTPError as error:
            if error.code != 504:
                raise
    raise TimeoutError(request.full_url)


def test_a_person_types_a_text_and_sees_the_answer(servers, browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    page, _ = servers
    explain_once(page)
    browser.get(page)
    assert "sintétic" in browser.find_element(By.TAG_NAME, "body").text.lower()
    typed = "Rico 😋 el ceviche, niño bien PICANTE"
    # The driver types no emoji.
    browser.execute_script("document.getElementById('text').value = arguments[0]", typed)
    browser.find_element(By.ID, "send").click()
    WebDriverWait(browser, 20).until(lambda seen: seen.find_element(By.ID, "result").is_displayed())
    result = browser.find_element(By.ID, "result").text.lower()
    assert "versión 4" in result
    assert "%" in result
    assert len(browser.find_elements(By.CSS_SELECTOR, "#sentiments li")) == 3
    WebDriverWait(browser, 20).until(lambda seen: seen.find_element(By.ID, "explanation").is_displayed())
    assert browser.find_element(By.ID, "words").text == typed
    marks = browser.find_elements(By.CSS_SELECTOR, "#words mark")
    assert {mark.text.lower() for mark in marks} <= {"rico", "el", "ceviche", ",", "bien", "picante", "😋", "niño"}
    assert all(re.match(r"(A favor|En contra) de «\w+»: \d+ %$", mark.get_attribute("title")) for mark in marks)
    shades = {mark.value_of_css_property("background-color") for mark in marks}
    assert len(marks) > 2 and len(shades) > 1
    assert "En contra" in browser.find_element(By.ID, "words-aloud").get_attribute("textContent")
    width = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert width <= 0, "the page scrolls sideways on a phone"


def test_an_empty_text_is_answered_with_a_hint(servers, browser):
    from selenium.webdriver.common.by import By

    browser.get(servers[0])
    browser.find_element(By.ID, "send").click()
    assert browser.find_element(By.ID, "problem").text.strip()
    assert not browser.find_element(By.ID, "result").is_displayed()


def test_prometheus_scrapes_both_servers(servers, tmp_path):
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    page, rest = servers
    body = json.dumps({"text": "hola"}).encode()
    for _ in range(3):
        urllib.request.urlopen(
            urllib.request.Request(f"{page}/api/v1/predict", body, {"Content-Type": "application/json"})
        )
    shipped = Path("serving/monitoring/prometheus.yml").read_text()
    config = tmp_path / "prometheus.yml"
    targets = shipped.replace("127.0.0.1:8080", page.removeprefix("http://")).replace("127.0.0.1:8501", rest)
    config.write_text(targets.replace("scrape_interval: 5s", "scrape_interval: 1s"))
    port = free_port()
    flags = {"config.file": config, "storage.tsdb.path": tmp_path / "tsdb", "web.listen-address": f"127.0.0.1:{port}"}
    command = [program, *(f"--{name}={value}" for name, value in flags.items())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/-/ready")
        asked = {
            'sum(sazon_gateway_inference_duration_seconds_count{model_version="4"})': 3,
            "histogram_quantile(0.99, sum by (le) (sazon_gateway_inference_duration_seconds_bucket)) > bool 0": 1,
            "sum(up)": 2,
        }
        for query, least in asked.items():
            assert ask(port, query, least) >= least, query
    finally:
        process.terminate()
        process.wait(30)


def ask(port: int, query: str, least: float, timeout_s: float = 40.0) -> float:
    """The query's value, waiting until it reaches the least."""
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    deadline_s, value = time.monotonic() + timeout_s, 0.0
    while value < least and time.monotonic() < deadline_s:
        with urllib.request.urlopen(url, timeout=5) as response:
            result = json.load(response)["data"]["result"]
        value = float(result[0]["value"][1]) if result else 0.0
        time.sleep(0.5)
    return value
