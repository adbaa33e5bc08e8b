"""Notices that another process has gone, and says so before JAX can.

JAX's client aborts its process, with a trace, when it has lost the first process or is
told that another is lost, and nothing can be put in place of that. So the client is
connected to this very process, which passes on what is said: when the connection to the
first process breaks, or nothing comes through it, this process leaves in words of its
own while the client still waits. In the first process a thread looks whether the others
go on telling that they are there.
"""

import atexit
import os
import socket
import threading

from spot_jax.processes.leaving import has_gone

# How often a silence is looked for before it ends: so that a machine that slept, and
# looks for the first time again, does not take the others for dead.
_LOOKS = 10
_ALIVE = "spot_jax/alive"
_AT_MOST = 2**16
# Where JAX's client looks for a proxy.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")


class Lifeline:
    """The connection of this process to the others.

    Args:
        place: which process this is.
        count: how many there are.
        silence: seconds after which one that says nothing is taken for dead.
    """

    def __init__(self, place: int, count: int, silence: float):
        self._place, self._count = place, count
        self._silence, self._period = silence, silence / _LOOKS
        # Before and after, who goes is expected, or for JAX to tell.
        self._is_held, self._end = False, threading.Event()
        self._quiet = 0

    def through(self, address: str) -> str:
        """Returns the address for JAX to connect to, behind which is the given one.

        Args:
            address: of the first process, HOST:PORT, which has it for itself.
        """
        if self._place == 0:
            return address
        door = socket.create_server(("127.0.0.1", 0))
        _start(self._let_in, door, address)
        if any(name in os.environ for name in _PROXIES):
            # It would not find this process.
            name = "no_grpc_proxy" if "no_grpc_proxy" in os.environ else "no_proxy"
            others = filter(None, [os.environ.get(name)])
            os.environ[name] = ",".join([*others, "127.0.0.1"])
        return f"127.0.0.1:{door.getsockname()[1]}"

    def hold(self) -> None:
        """From now to the end of the program a process that goes ends this one."""
        self._is_held, self._quiet = True, 0
        # Before JAX's own end, at which all go.
        beats = _start(self._tell if self._place else self._listen)
        atexit.register(self._let_go, beats)

    def _let_go(self, beats: threading.Thread) -> None:
        self._end.set()
        # A thread that is inside of JAX when Python ends would abort the process.
        beats.join()
        self._is_held = False

    def _let_in(self, door: socket.socket, address: str) -> None:
        host, _, port = address.rpartition(":")
        while True:
            inner, _ = door.accept()
            try:
                outer = socket.create_connection((host.strip("[]"), int(port)))
            except OSError:
                # It is not there yet: JAX tries again.
                inner.close()
                continue
            outer.settimeout(self._period)
            _start(self._pass_out, inner, outer)
            _start(self._pass_in, outer, inner)

    def _pass_out(self, inner: socket.socket, outer: socket.socket) -> None:
        """Passes on what JAX says; it is JAX that ends the connection."""
        try:
            while data := memoryview(_received(inner)):
                while data:
                    try:
                        data = data[outer.send(data) :]
                    except TimeoutError:
                        self._hear_nothing()
        except OSError as error:
            self._lose(inner, outer, f"process 0: {error.strerror}")
            return
        _close(inner, outer)

    def _pass_in(self, outer: socket.socket, inner: socket.socket) -> None:
        """Passes on what the first process says, and notices when it says no more."""
        while True:
            try:
                data = outer.recv(_AT_MOST)
            except TimeoutError:
                self._hear_nothing()
                continue
            except OSError as error:
                self._lose(inner, outer, f"process 0: {error.strerror}")
                return
            if not data:
                self._lose(inner, outer, "process 0 has closed the connection")
                return
            self._quiet = 0
            try:
                inner.sendall(data)
            except OSError:
                _close(inner, outer)
                return

    def _hear_nothing(self) -> None:
        self._quiet += 1
        if self._quiet >= _LOOKS and self._is_held:
            has_gone(f"process 0 has said nothing for {self._silence:g} s")

    def _lose(self, inner: socket.socket, outer: socket.socket, why: str) -> None:
        # Closed by this process itself, at the end of what JAX had to say, or of all.
        if self._is_held and inner.fileno() >= 0:
            has_gone(why)
        _close(inner, outer)

    def _tell(self) -> None:
        """Says again and again that this process is there."""
        client, key, beats = _client(), f"{_ALIVE}/{self._place}", 0
        # Twice a look, of which none then finds nothing new.
        while not self._end.wait(self._period / 2):
            beats += 1
            if not _said(client, key, str(beats)):
                return
        _said(client, key, "")

    def _listen(self) -> None:
        """Looks whether all others go on saying that they are there."""
        client, heard, quiet = _client(), {}, [0] * self._count
        while not self._end.wait(self._period):
            found = dict(client.key_value_dir_get(_ALIVE))
            for place in range(1, self._count):
                key = f"{_ALIVE}/{place}"
                beat = found.get(key)
                # One that says "" has come to its end.
                is_silent = beat == heard.get(key) and beat != ""
                quiet[place] = quiet[place] + 1 if is_silent else 0
                if quiet[place] >= _LOOKS:
                    about = f"process {place} has said nothing for {self._silence:g} s"
                    has_gone(about)
            heard = found


def _start(target, *arguments) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def _received(inner: socket.socket) -> bytes:
    try:
        return inner.recv(_AT_MOST)
    except OSError:
        # However JAX ends it.
        return b""


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        try:
            # Wakes the thread that reads from it; closing alone does not.
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        each.close()


def _client():
    from jax._src import distributed  # No public part of JAX has it.

    return distributed.global_state.client


def _said(client, key: str, text: str) -> bool:
    try:
        client.key_value_set(key, text, allow_overwrite=True)
    except Exception:
        # Who has gone is noticed where the connection is.
        return False
    return True
