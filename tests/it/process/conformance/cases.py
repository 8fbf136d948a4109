"""The edges of RFC 6455 at a relay, seen by a client that is not ours: the library `websockets`.

    cases.py HOST:PORT

Every case has a room and two clients of its own. Whole messages, pings and goodbyes go through the library; what it would never say is put
together here and written to its socket. One line a case goes out, then how many there were; the status is 1 if one failed.
"""

import contextlib
import itertools
import socket
import struct
import sys
import traceback

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

ADDRESS = sys.argv[1]
PATIENCE = 20
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
rooms = itertools.count()
cases = []


def case(function):
    """One case, and its name is what has to hold."""
    cases.append((function.__name__, lambda: function()))
    return function


def each(**values):
    """A case for each of these values."""

    def register(function):
        (name, several), = values.items()
        for value in several:
            cases.append((f"{function.__name__}, {name} {value}", lambda value=value: function(value)))
        return function

    return register


def join(room, role, **options):
    options = {"compression": None, "ping_interval": None, "max_size": None, "proxy": None, "close_timeout": PATIENCE} | options
    url = f"ws://{ADDRESS}/v1/room/{room}?role={role}"
    return connect(url, subprotocols=["p2pc.v1"], open_timeout=PATIENCE, **options)


@contextlib.contextmanager
def pair(**options):
    """Two clients in a room of their own: one that says, one that hears."""
    room = f"conformance-{next(rooms)}"
    with join(room, "send", **options) as sender, join(room, "receive", **options) as receiver:
        yield sender, receiver


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x11\x82\xf3\x04", length=None):
    """A frame with whatever is wrong with it. `length`: the field, and what comes behind it."""
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    masked = 0x80 if mask is not None else 0
    if length is None:
        size = len(payload)
        length = (size, b"") if size < 126 else (126, struct.pack("!H", size)) if size < 1 << 16 else (127, struct.pack("!Q", size))
    if mask is not None:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return first + bytes([masked | length[0]]) + length[1] + (mask or b"") + payload


def hears(client, message):
    heard = client.recv(timeout=PATIENCE)
    assert heard == message, f"{len(heard)} bytes instead of {len(message)}: {heard[:40]!r}"


def ends(client, code):
    """The relay says goodbye, with this code."""
    try:
        heard = client.recv(timeout=PATIENCE)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, "ended without a goodbye"
        assert closed.rcvd.code == code, f"{closed.rcvd.code} {closed.rcvd.reason!r} instead of {code}"
        return closed.rcvd.reason
    raise AssertionError(f"went on with {heard[:40]!r}")


def breaks_it(*frames, code=1002):
    """What the first says here ends it for that code; the other is told that it left, and of all this hears nothing."""
    with pair() as (sender, receiver):
        sender.socket.sendall(b"".join(frames))
        reason = ends(sender, code)
        assert reason, "no reason is given"
        ends(receiver, 1000)


def raw(request):
    """The answer to a request of our own making, up to its end."""
    host, port = ADDRESS.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
        return answer.decode()


REQUEST = """GET /v1/room/raw-{room}?role=send HTTP/1.1
Host: relay
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Version: 13
Sec-WebSocket-Protocol: p2pc.v1
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==

"""


def refuses(status, *changes):
    request = REQUEST.format(room=next(rooms))
    for old, new in changes:
        assert old in request, old
        request = request.replace(old, new)
    answer = raw(request)
    assert answer.startswith(f"HTTP/1.1 {status} "), answer.splitlines()[:1]
    return answer


# Messages

@each(bytes=[0, 1, 125, 126, 127, 65531, 65535, 65536, 65537, 5_000_000])
def a_message_arrives_whole(size):
    with pair() as (sender, receiver):
        message = bytes(at % 251 for at in range(size))
        sender.send(message)
        hears(receiver, message)
        receiver.send(b"and back")
        hears(sender, b"and back")


@case
def messages_keep_their_order_and_their_borders():
    with pair() as (sender, receiver):
        messages = [b"x" * size for size in range(300)]
        sender.socket.sendall(b"".join(frame(BINARY, message) for message in messages))
        for message in messages:
            hears(receiver, message)


@case
def a_message_that_comes_byte_by_byte():
    with pair() as (sender, receiver):
        sender.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(BINARY, b"slowly" * 50):
            sender.socket.sendall(bytes([byte]))
        hears(receiver, b"slowly" * 50)


@each(mask=["00000000", "ffffffff", "01020304"])
def whatever_it_is_masked_with(mask):
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(BINARY, b"masked" * 100, mask=bytes.fromhex(mask)))
        hears(receiver, b"masked" * 100)


@case
def what_is_said_before_the_other_side_comes():
    room = f"conformance-{next(rooms)}"
    with join(room, "send") as sender:
        sender.send([b"ear", b"ly"])
        sender.ping().wait(PATIENCE)
        with join(room, "receive") as receiver:
            hears(receiver, b"early")


@case
def an_extension_that_is_offered_is_not_taken():
    with pair(compression="deflate") as (sender, receiver):
        assert not sender.protocol.extensions
        sender.send(b"plain" * 1000)
        hears(receiver, b"plain" * 1000)


# Fragments

@case
def fragments_are_one_message():
    with pair() as (sender, receiver):
        sender.send([b"one", b"two", b"three"])
        hears(receiver, b"onetwothree")


@case
def fragments_are_passed_on_as_they_come():
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(BINARY, b"first", fin=False))
        pieces = receiver.recv_streaming()
        assert next(pieces) == b"first"
        sender.socket.sendall(frame(CONTINUATION, b"last"))
        assert b"".join(pieces) == b"last"


@case
def a_thousand_fragments_of_one_byte():
    with pair() as (sender, receiver):
        pieces = [frame(BINARY, b"a", fin=False)] + [frame(CONTINUATION, b"b", fin=False)] * 998 + [frame(CONTINUATION, b"c")]
        sender.socket.sendall(b"".join(pieces))
        hears(receiver, b"a" + b"b" * 998 + b"c")


@case
def empty_fragments_at_every_place():
    with pair() as (sender, receiver):
        nothing = frame(CONTINUATION, fin=False)
        begin = frame(BINARY, fin=False)
        sender.socket.sendall(begin + nothing + frame(CONTINUATION, b"x", fin=False) + nothing + nothing + frame(CONTINUATION))
        hears(receiver, b"x")
        sender.socket.sendall(begin + nothing + frame(CONTINUATION))
        hears(receiver, b"")


@case
def control_frames_between_fragments():
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(BINARY, b"a", fin=False) + frame(PONG, b"unasked"))
        sender.ping(b"between").wait(PATIENCE) or sys.exit("no pong")
        sender.socket.sendall(frame(CONTINUATION, b"b", fin=False) + frame(PING) + frame(CONTINUATION, b"c"))
        hears(receiver, b"abc")


@case
def a_goodbye_between_fragments():
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(BINARY, b"half", fin=False) + frame(CLOSE, struct.pack("!H", 1000)))
        ends(sender, 1000)
        ends(receiver, 1000)


@case
def a_continuation_of_nothing():
    breaks_it(frame(CONTINUATION, b"x"))


@case
def a_continuation_of_what_has_ended():
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(BINARY, b"x") + frame(CONTINUATION, b"y"))
        ends(sender, 1002)
        hears(receiver, b"x")
        ends(receiver, 1000)


@case
def a_message_within_a_message():
    breaks_it(frame(BINARY, fin=False), frame(BINARY, b"y"))


# Control frames

@each(bytes=[0, 1, 125])
def a_ping_is_answered_with_what_it_carries(size):
    with pair() as (sender, _):
        payload = bytes(range(size))
        assert sender.ping(payload).wait(PATIENCE), "no pong"


@case
def a_ping_is_answered_while_one_waits():
    with join(f"conformance-{next(rooms)}", "receive") as alone:
        assert alone.ping(b"alone").wait(PATIENCE), "no pong"


@case
def pings_and_pongs_are_not_passed_on():
    with pair() as (sender, receiver):
        passed = []
        receiver.protocol.debug = True
        receiver.protocol.logger = type("Log", (), {"isEnabledFor": lambda *_: True, "debug": lambda _, text, *rest: passed.append(str(rest))})()
        sender.socket.sendall(frame(PONG, b"mine") + frame(PING, b"mine") + frame(BINARY, b"said"))
        hears(receiver, b"said")
        assert not any("mine" in line for line in passed), passed


@each(opcode=[CLOSE, PING, PONG])
def a_control_frame_of_more_than_125_bytes(opcode):
    breaks_it(frame(opcode, struct.pack("!H", 1000) + b"x" * 124))


@each(opcode=[CLOSE, PING, PONG])
def a_control_frame_in_pieces(opcode):
    breaks_it(frame(opcode, fin=False))


# Goodbyes

@each(code=[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
def a_goodbye_is_answered_with_its_code(code):
    with pair() as (sender, receiver):
        sender.send(b"before")
        sender.close(code, "because")
        assert sender.close_code == code, sender.close_code
        hears(receiver, b"before")
        ends(receiver, 1000)


@case
def a_goodbye_without_a_code():
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(CLOSE))
        ends(sender, 1000)
        ends(receiver, 1000)


@case
def a_goodbye_of_one_byte():
    breaks_it(frame(CLOSE, b"\x03"))


@each(code=[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def a_goodbye_with_a_code_that_nobody_may_send(code):
    breaks_it(frame(CLOSE, struct.pack("!H", code)))


@case
def what_follows_a_goodbye_is_not_heard():
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(CLOSE, struct.pack("!H", 1000)) + frame(BINARY, b"one more thing"))
        ends(sender, 1000)
        ends(receiver, 1000)


@case
def a_connection_that_ends_without_a_goodbye():
    with pair() as (sender, receiver):
        sender.send(b"last words")
        sender.socket.shutdown(socket.SHUT_WR)
        hears(receiver, b"last words")
        ends(receiver, 1000)


@case
def a_connection_that_ends_within_a_frame():
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(BINARY, b"half of it")[:-5])
        sender.socket.shutdown(socket.SHUT_WR)
        ends(receiver, 1000)


# What no client may say

@each(form=["whole", "in fragments", "empty"])
def text(form):
    said = {"whole": frame(TEXT, b"text"), "in fragments": frame(TEXT, b"te", fin=False), "empty": frame(TEXT)}
    breaks_it(said[form], code=1003)


@each(bits=[1, 2, 4, 7])
def reserved_bits(bits):
    breaks_it(frame(BINARY, b"x", rsv=bits))


@each(opcode=[CONTINUATION, CLOSE, PING, PONG])
def a_reserved_bit_of_another_frame(opcode):
    breaks_it(frame(BINARY, fin=False) if opcode == CONTINUATION else b"", frame(opcode, rsv=4))


@each(opcode=[3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def an_opcode_that_does_not_exist(opcode):
    breaks_it(frame(opcode, b"x"))


@each(opcode=[BINARY, CLOSE, PING, PONG])
def a_frame_that_is_not_masked(opcode):
    breaks_it(frame(opcode, mask=None))


@each(length=[(126, 0), (126, 125), (127, 0), (127, 126), (127, 65535)])
def a_length_that_is_longer_than_need_be(length):
    field, size = length
    breaks_it(frame(BINARY, b"x" * size, length=(field, struct.pack("!H" if field == 126 else "!Q", size))))


@each(length=[1 << 63, (1 << 64) - 1])
def a_length_with_its_highest_bit(length):
    breaks_it(frame(BINARY, length=(127, struct.pack("!Q", length))))


@case
def a_length_that_is_only_claimed():
    with pair() as (sender, receiver):
        sender.socket.sendall(frame(BINARY, b"begun", length=(127, struct.pack("!Q", (1 << 63) - 1))))
        pieces = receiver.recv_streaming()
        assert next(pieces) == b"begun"
        sender.socket.shutdown(socket.SHUT_WR)
        ends_in_the_middle(pieces)


def ends_in_the_middle(pieces):
    try:
        rest = b"".join(pieces)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None and closed.rcvd.code == 1000, closed
        return
    raise AssertionError(f"ended with {rest!r}")


@case
def one_that_breaks_the_rules_while_it_waits():
    with join(f"conformance-{next(rooms)}", "send") as alone:
        alone.socket.sendall(frame(BINARY, b"x", rsv=1))
        ends(alone, 1002)


# The upgrade

@case
def the_seat_is_taken():
    with pair() as (sender, _):
        path = sender.request.path
        room = path.split("/")[-1].split("?")[0]
        try:
            join(room, "send")
        except InvalidStatus as refused:
            assert refused.response.status_code == 409, refused
        else:
            raise AssertionError("let in")


@case
def one_of_several_subprotocols_is_chosen():
    url = f"ws://{ADDRESS}/v1/room/conformance-{next(rooms)}?role=send"
    with connect(url, subprotocols=["chat", "p2pc.v1"], proxy=None) as client:
        assert client.subprotocol == "p2pc.v1", client.subprotocol


@each(change=["Upgrade: websocket\n", "Connection: Upgrade\n"])
def no_upgrade_is_asked_for(line):
    refuses(426, (line, ""))


@each(change=["Sec-WebSocket-Protocol: p2pc.v1\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"])
def a_header_is_missing(line):
    refuses(400, (line, ""))


@each(key=["", "c2hvcnQ=", "not base64 at all !!!!!!", "dGhlIHNhbXBsZSBub25jZQ"])
def a_key_that_is_none(key):
    refuses(400, ("dGhlIHNhbXBsZSBub25jZQ==", key))


@each(version=["8", "12", "14", "x"])
def another_version_of_the_protocol(version):
    answer = refuses(426, ("Version: 13", f"Version: {version}"))
    assert "sec-websocket-version: 13" in answer.lower(), "does not say which it speaks"


@case
def http_1_0_knows_no_upgrade():
    refuses(426, ("HTTP/1.1", "HTTP/1.0"))


@each(method=["POST", "HEAD", "CONNECT"])
def another_method(method):
    refuses(405, ("GET", method))


failed = 0
for name, run in cases:
    name = name.replace("_", " ")
    try:
        run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this case
        failed += 1
        print(f"FAILED {name}: {type(error).__name__}: {error}")
        traceback.print_exc(limit=-2)
    else:
        print(f"ok     {name}")
print(f"{len(cases)} cases, {failed} failed")
sys.exit(1 if failed else 0)
