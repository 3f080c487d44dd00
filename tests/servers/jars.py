"""Apache Kafka's own jars, resolved once by Maven into the user's cache folder and found there ever after."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.servers.finding import UnavailableError

KAFKA = "4.1.1"
JAVA = 17  # what Kafka 4's broker asks for at least
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
ARTIFACTS = (
    ("org.apache.kafka", "kafka_2.13", KAFKA),
    ("org.apache.kafka", "kafka-tools", KAFKA),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),  # without it a broker that fails does so in silence
)
PATIENCE = 600  # seconds; a slow line has 54 MB to fetch


def java() -> str:
    """The Java launcher, of JAVA_HOME or of the PATH. `UnavailableError` where there is none or it is too old."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        raise UnavailableError(f"there is no Java {JAVA}")
    shown = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', shown)
    if version is None or int(version[1]) < JAVA:
        raise UnavailableError(f"{found} is not Java {JAVA} or newer")
    return found


def jars() -> Path:
    """The folder that holds the broker's jars; fetched if it is not there. `UnavailableError` where that fails."""
    described = pom()
    folder = cache() / f"kafka-{KAFKA}-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        fetch(described, folder)
    return folder


def fetch(described: str, folder: Path) -> None:
    """Let Maven copy the jars beside the folder, then rename: whoever finds the folder finds it whole."""
    maven = shutil.which("mvn")
    if maven is None:
        raise UnavailableError("'mvn' (Maven) is not on the PATH")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as name:
        place = Path(name)
        (place / "pom.xml").write_text(described, encoding="utf-8")
        command = [maven, "--batch-mode", "--quiet", "--strict-checksums", "-f", str(place), PLUGIN]
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={place / 'jars'}"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=PATIENCE)
        if done.returncode:
            raise UnavailableError(f"Maven could not fetch Apache Kafka {KAFKA}: {(done.stdout + done.stderr).strip()[:500]}")
        if not folder.is_dir():
            (place / "jars").rename(folder)


def pom() -> str:
    """A Maven project that does nothing but depend on the broker."""
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in ARTIFACTS
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>caremonth</groupId>'
        f"<artifactId>broker</artifactId><version>1</version><packaging>pom</packaging><dependencies>{wanted}</dependencies></project>\n"
    )


def cache() -> Path:
    """Caremonth's folder in the user's cache: of XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caremonth"
