"""A PostgreSQL of the bed's own."""

import os
import shutil
import subprocess
from pathlib import Path

import lib


def postgres_bin():
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        return folder
    return None


class Postgres:
    """One server in a folder of its own; certificates made for it."""

    def __init__(self):
        self.bin = postgres_bin()
        self.home = lib.scratch() / "postgres"
        self.home.mkdir()
        self.port = lib.free_port()
        # The server refuses to run as root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.user:
            for folder in (lib.scratch(), lib.scratch().parent):
                folder.chmod(folder.stat().st_mode | 0o011)
            shutil.chown(self.home, "postgres", "postgres")
        self.run("initdb", "-D", self.home / "db", "-U", "gate", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.ca = self.home / "server.crt"
        openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                   "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
                   "-keyout", str(self.home / "server.key"), "-out", str(self.ca)]
        subprocess.run([*self.user, *openssl], check=True, capture_output=True)
        self.process = None

    def run(self, program, *arguments, **keywords):
        command = [*self.user, self.bin / program, *arguments]
        return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, cwd=self.home, **keywords)

    def start(self, *settings):
        """Starts it, with `name=value` besides."""
        more = [part for setting in settings for part in ("-c", setting)]
        self.process = lib.spawn("postgres-server", [
            *self.user, self.bin / "postgres", "-D", self.home / "db", "-p", self.port, "-k", self.home,
            "-c", "listen_addresses=localhost", "-c", "ssl=on", "-c", f"ssl_cert_file={self.ca}",
            "-c", f"ssl_key_file={self.home / 'server.key'}", "-c", "fsync=off", *more,
        ], cwd=self.home)
        lib.wait_for("PostgreSQL answers", lambda: self.sql("SELECT 1") is not None, 30)
        return self

    def sql(self, text):
        try:
            return self.run("psql", "-h", self.home, "-p", self.port, "-U", "gate", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-Atq", "-f", "-", input=text).stdout
        except subprocess.CalledProcessError:
            return None

    def stop(self):
        lib.stop(self.process)

    @property
    def url(self):
        return f"postgresql://gate:no-secret@localhost:{self.port}/postgres?sslmode=require"
