#!/usr/bin/python3
"""A Flexim client, written from docs/protocols/flexim.md alone, and checks of a live relay with it.

    flexim.py HOST PORT [RELAYKEY [PID]]

With the relay's PID the last check stops it. Needs Debian's python3-nacl and python3-msgpack. § means a section of that document.
"""

import base64
import hmac
import os
import re
import signal
import socket
import struct
import sys
import time
import unicodedata
from collections import deque
from contextlib import contextmanager

import msgpack
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.signing import SigningKey

# --- The wire (§2) ---------------------------------------------------------------------------------------------

HELLO = bytes.fromhex('a4464c4558')
MAX_BODY = 65_535
MAX_DEPTH = 16
NO_BINDING = 'A' * 43  # 32 zero bytes: bare TCP (§5.2)

AUTH, AUTH_RESPONSE, COMMAND, MESSAGE, ROSTER, USER, STATUS = range(7)
FIELDS = {
    AUTH: ('date', 'challenge', 'last_seen'),
    AUTH_RESPONSE: ('challenge', 'nonce', 'invite'),
    COMMAND: ('cmd', 'payload'),
    MESSAGE: ('to', 'from', 'flags', 'date', 'msg'),
    ROSTER: ('users',),
    USER: ('aliases', 'key', 'last_seen', 'proof'),
    STATUS: ('status', 'payload'),
}
REPLACED, LOGIN_FAILED, STOPPING = 5, -1, -7
MALFORMED, NOT_FOUND, LOGIN_FIRST, REFUSED = -2, -3, -4, -5
QUEUED, QUEUE_SENT = 20, 22
UNKNOWN_RECIPIENT, QUEUE_FULL, BAD_FRAME, FRAME_BEFORE_LOGIN = -20, -21, -22, -24
WINDOW, SHARE = 4_096, 2_000  # Messages, §7.3 and §7.4


class Malformed(Exception):
    """A body or a field that is not what §2 says."""


class Mismatch(Exception):
    """The relay is not, or did not prove to be, the one that was meant (§5.3, §5.5, §10.2)."""


class Ended(Exception):
    """The connection is over; `status` is the code of its last word (§9.1), None without one."""

    def __init__(self, status, words):
        super().__init__(f'{status} {words}')
        self.status, self.words = status, words


class Refused(Exception):
    """A command was answered with a negative Status."""

    def __init__(self, status, payload):
        super().__init__(f'{status} {payload}')
        self.status, self.payload, self.word = status, payload, payload.split(' ')[0]


class Pairs(list):
    """A msgpack map, as pairs: any type can be a key, and it stays distinct from an array."""


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def unpack(data):
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=False, object_pairs_hook=Pairs)
    except Exception as error:  # msgpack raises many kinds; all of them mean the same here
        raise Malformed(repr(error)) from None
    if depth(value) > MAX_DEPTH:
        raise Malformed('nested too deep')
    return value


def depth(value):
    level, layer = 0, [value]
    while layer := [item for item in layer if isinstance(item, (list, tuple))]:
        level += 1
        layer = [part for item in layer for part in (flat(item) if isinstance(item, Pairs) else item)]
    return level


def flat(pairs):
    return [part for pair in pairs for part in pair]


def frame(kind, body):
    if len(body) > MAX_BODY:
        raise ValueError('frame-too-large')
    return struct.pack('>BH', kind, len(body)) + body


def text(value):
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Malformed('not UTF-8') from None
    if not isinstance(value, str):
        raise Malformed('not a text')
    return value


def integer(value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**53:
        raise Malformed('not an integer')
    return value


def array(read):
    def reader(value):
        if not isinstance(value, list) or isinstance(value, Pairs):
            raise Malformed('not an array')
        return [read(item) for item in value]

    return reader


def bytes32(value):
    if isinstance(value, list) and not isinstance(value, Pairs) and all(type(n) is int and 0 <= n < 256 for n in value):
        value = bytes(value)
    if not isinstance(value, bytes) or len(value) != 32:
        raise Malformed('not 32 bytes')
    return value


def sealed(value):
    if not isinstance(value, bytes):
        raise Malformed('not sealed')
    return value


def anything(value):
    return value


def status_code(value):
    if not -128 <= integer(value) <= 127:
        raise Malformed('not a status')
    return integer(value)


def user(value):
    return fields(USER, value)


READ = {
    AUTH: {'date': sealed, 'challenge': sealed, 'last_seen': sealed},
    # In a Message only msg matters to a reader; the rest may be missing or be anything (§6.1, §6.6).
    MESSAGE: {'to': text, 'from': anything, 'flags': anything, 'date': anything, 'msg': anything},
    ROSTER: {'users': array(user)},
    USER: {'aliases': array(text), 'key': bytes32, 'last_seen': integer, 'proof': text},
    STATUS: {'status': status_code, 'payload': text},
}
OPTIONAL = {(USER, 'proof'), (MESSAGE, 'from'), (MESSAGE, 'flags'), (MESSAGE, 'date')}


def fields(kind, value):
    """The fields of a datum, from its map or array form (§2.4)."""
    if isinstance(value, Pairs):
        found = {key: item for key, item in value if isinstance(key, str)}
    elif isinstance(value, list):
        found = dict(zip(FIELDS[kind], value))
    else:
        raise Malformed('neither map nor array')
    datum = {}
    for name, read in READ[kind].items():
        item = found.get(name)
        if item is not None:
            datum[name] = read(item)
        elif (kind, name) in OPTIONAL:
            datum[name] = None
        else:
            raise Malformed(f'{name} is missing')
    return datum


# --- The login (§4, §5) ----------------------------------------------------------------------------------------


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip('=')


def is_base64url32(word):
    """43 characters that are 32 bytes, the spare bits zero (§5.2)."""
    return re.fullmatch('[A-Za-z0-9_-]{43}', word) is not None and base64url(base64.urlsafe_b64decode(word + '=')) == word


def seal(value, key):
    return SealedBox(PublicKey(key)).encrypt(pack(value))


def open_box(box, private):
    try:
        return unpack(SealedBox(private).decrypt(box))
    except (CryptoError, ValueError, TypeError) as error:
        raise Malformed(f'the box does not open: {error}') from None


def check_challenge(challenge, relay_key, binding=NO_BINDING):
    """The checks 2 to 4 of §5.3."""
    form = '(flexim-auth-1) ([0-9a-f]{64}) ([A-Za-z0-9_-]{43}) ([A-Za-z0-9_-]{43})'
    parts = re.fullmatch(form, challenge)
    if parts is None or not is_base64url32(parts[3]) or not is_base64url32(parts[4]):
        raise Mismatch('relay-auth-mismatch: the challenge does not have its form')
    if parts[2] != relay_key.hex():
        raise Mismatch('relay-auth-mismatch: the challenge is of another relay')
    if parts[3] != binding:
        raise Mismatch('relay-auth-mismatch: the challenge is of another channel')


def fold(alias):
    """§8.3: aliases with the same folded form are the same."""
    return unicodedata.normalize('NFKC', unicodedata.normalize('NFKC', alias).lower())


def first_alias(record):
    """The alias of a user by which ROSTER is ordered and goes on (§8.5), as UTF-8."""
    return min(fold(alias).encode() for alias in record['aliases'])


# --- The client ------------------------------------------------------------------------------------------------


class Client:
    """One connection of one key to one relay. Use: connect, login, then the rest."""

    def __init__(self, host, port, private=None, relay_key=None, pins=None, timeout=10.0):
        if private is None:
            private = SigningKey.generate().to_curve25519_private_key()
        self.private = private
        self.key = bytes(private.public_key)
        self.name = self.key.hex()
        self.host, self.port, self.timeout = host, port, timeout
        self.expected = relay_key  # what the address names (§10.1)
        self.pins = {} if pins is None else pins  # HOST:PORT to key (§10.2)
        self.relay = None  # the greeting
        self.me = None  # one's own User, after the login
        self.socket = None
        self.sent = 0  # number of the last Message (§6.3)
        self.received = 0  # number of the last Message that came, for ACK (§7.3)
        self.acks = False
        self.waiting = deque()  # commands that have no answer yet (§8.1)
        self.answers = deque()
        self.messages = deque()
        self.events = deque()
        self.end = None
        self._buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Connecting

    def dial(self, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET6 if ':' in self.host else socket.AF_INET)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(self.timeout)
        self.socket.connect((self.host, self.port))

    def connect(self, receive_buffer=None):
        """Hello and greeting (§3.1, §3.2); the relay's key is checked before anything else is sent (§10.2)."""
        self.dial(receive_buffer)
        self.write(HELLO)
        kind, body = self._frame(self._until())
        if kind != USER:
            raise Malformed(f'greeted with type {kind}')
        self.relay = fields(USER, unpack(body))
        for known in (self.expected, self.pins.get(self._place())):
            if known is not None and known != self.relay['key']:
                self.close()
                raise Mismatch(f"relay-key-changed: {known.hex()} to {self.relay['key'].hex()}")
        return self

    def login(self, alias='', as_array=False):
        """§5. `as_array` writes AuthResponse in its array form (§2.4)."""
        challenge, self.seen_before = self.challenge(alias)
        nonce = base64url(os.urandom(32))
        boxes = {'challenge': seal(challenge, self.relay['key']), 'nonce': seal(nonce, self.relay['key'])}
        self.waiting.append('AuthResponse')
        self.write_datum(AUTH_RESPONSE, list(boxes.values()) if as_array else boxes)
        me = self.answer()
        if me.get('key') != self.key or not hmac.compare_digest((me['proof'] or '').encode(), nonce.encode()):
            self.close()
            raise Mismatch('relay-auth-mismatch: no proof')
        self.me = me
        self.pins[self._place()] = self.relay['key']
        return self

    def challenge(self, alias=''):
        """AUTH, and the challenge that it brings, checked, with the time of the login before (§5.1 to §5.3)."""
        auth = self.command('AUTH', self.name, *([alias] if alias else []))
        try:
            challenge = open_box(auth['challenge'], self.private)
            if not isinstance(challenge, str):
                raise Malformed('the challenge is no text')
            check_challenge(challenge, self.relay['key'])
        except (Malformed, Mismatch) as error:
            self.close()
            raise Mismatch(f'relay-auth-mismatch: {error}') from None
        return challenge, integer(open_box(auth['last_seen'], self.private))

    def bye(self):
        self.command('BYE')
        self.until_end()

    def close(self):
        if self.socket is not None:
            self.socket.close()

    def _place(self):
        host = self.host.lower()
        return f'[{host}]:{self.port}' if ':' in host else f'{host}:{self.port}'

    # Asking

    def ask(self, cmd, *payload, as_array=False):
        """Sends a command without waiting; `answer` gives the answers in this order."""
        self.waiting.append(cmd)
        datum = {'cmd': cmd, 'payload': list(payload)}
        self.write_datum(COMMAND, list(datum.values()) if as_array else datum)

    def answer(self):
        self._pump(lambda: self.answers)
        cmd, datum = self.answers.popleft()
        if 'status' in datum and datum['status'] < 0:
            raise Refused(datum['status'], datum['payload'])
        return datum

    def command(self, cmd, *payload, as_array=False):
        self.ask(cmd, *payload, as_array=as_array)
        return self.answer()

    def ping(self, words='ping'):
        """Also: the relay has dealt with all that was sent before, and its events are here (§6.3)."""
        return self.command('PING', words)['payload']

    def get_user(self, who):
        return self.command('GETUSER', who)

    def search(self, beginning):
        return self.command('SEARCH', beginning)['users']

    def register(self, alias):
        return self.command('REGISTER', alias)

    def unregister(self, alias):
        return self.command('UNREGISTER', alias)

    def roster_page(self, after=''):
        return self.command('ROSTER', *([after] if after else []))['users']

    def roster(self):
        """All of it, page by page (§8.5)."""
        after = ''
        while page := self.roster_page(after):
            yield page
            after = first_alias(page[-1]).decode()

    # Messages

    def send(self, to, msg, as_array=False):
        datum = {'to': to, 'from': '', 'flags': [], 'date': 0, 'msg': msg}
        return self.send_body(pack(list(datum.values()) if as_array else datum))

    def send_body(self, body):
        """A Message as it stands; returns its number."""
        self.write(frame(MESSAGE, body))
        self.sent += 1
        return self.sent

    def receive(self):
        self._pump(lambda: self.messages)
        return self.messages.popleft()

    def event(self):
        self._pump(lambda: self.events)
        return self.events.popleft()

    def until_end(self):
        """Reads until the relay has closed in good order; returns the Status that said why, if one did."""
        try:
            self._pump(lambda: False)
        except Ended as ended:
            return ended
        raise AssertionError('unreachable')

    def acknowledge(self, n=None):
        """The first n Messages, or all so far, are safe (§7.3). There is no answer."""
        self.write_datum(COMMAND, {'cmd': 'ACK', 'payload': [str(self.received if n is None else n)]})

    # The stream

    def write(self, data):
        self.socket.settimeout(self.timeout)
        try:
            self.socket.sendall(data)
        except (ConnectionError, BrokenPipeError):
            self.until_end()  # what the relay said before is still there to be read
            raise

    def write_datum(self, kind, value):
        self.write(frame(kind, pack(value)))

    def _until(self):
        return time.monotonic() + self.timeout

    def _read(self, until):
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError('the relay is silent')
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 18)
        except socket.timeout:
            raise TimeoutError('the relay is silent') from None
        if not data:
            if self._buffer:
                raise Malformed('the stream ends inside a frame')
            raise self.end if self.end is not None else Ended(None, 'closed')
        self._buffer += data

    def _cut(self):
        if len(self._buffer) < 3:
            return None
        kind, length = struct.unpack_from('>BH', self._buffer)
        if len(self._buffer) < 3 + length:
            return None
        body = bytes(self._buffer[3 : 3 + length])
        del self._buffer[: 3 + length]
        return kind, body

    def _frame(self, until):
        while (got := self._cut()) is None:
            self._read(until)
        return got

    def _pump(self, done):
        until = self._until()
        while not done():
            self._dispatch(*self._frame(until))

    def _dispatch(self, kind, body):
        if kind == MESSAGE:
            self.received += 1  # whatever is in it
            try:
                self.messages.append(fields(MESSAGE, unpack(body)))
            except Malformed:
                pass  # anybody can send one (§2.5)
            return
        if kind not in READ:
            return  # a later relay's (§2.6)
        datum = fields(kind, unpack(body))
        if kind == STATUS:
            status = datum['status']
            if status in (REPLACED, LOGIN_FAILED, STOPPING):
                self.end = Ended(status, datum['payload'])
                if status == STOPPING and self.me is not None:
                    self.events.append((status, datum['payload']))  # the connection goes on (§9.4)
                return
            if status <= -10 or status >= 6:  # 6 to 9 are no answers either (§9.1)
                self.events.append((status, datum['payload']))
                return
        if not self.waiting:
            raise Malformed(f'an answer to nothing: {datum}')
        asked = self.waiting.popleft()
        if asked == 'ACKS' and datum.get('status') == 0 and not self.acks:
            self.acks, self.received = True, 0  # the Message behind this is number 1
        self.answers.append((asked, datum))


# --- The checks ------------------------------------------------------------------------------------------------

CHECKS = []


def check(title):
    def add(run):
        CHECKS.append((title, run))
        return run

    return add


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f'{got!r:.300} instead of {wanted!r:.300}')


def true(condition, words):
    if not condition:
        raise AssertionError(words)


@contextmanager
def refused(status, word):
    try:
        yield
    except Refused as error:
        same((error.status, error.word), (status, word))
    else:
        raise AssertionError(f'not refused with {status} {word}')


def ends(client, status, word):
    """The relay ends the connection, with this as its last word."""
    ended = client.until_end()
    same((ended.status, ended.words.split(' ')[0]), (status, word))


def event(client, status, start):
    code, payload = client.event()
    same(code, status)
    true(payload == start or payload.startswith(start + ' '), f'payload {payload!r:.120}, not {start!r:.120}')


def quiet(*clients):
    """Nothing more was said to these than what they have already taken."""
    for client in clients:
        client.ping()
        same((list(client.events), list(client.messages)), ([], []))


def fresh_alias(beginning='py'):
    return beginning + os.urandom(6).hex()


class Scene:
    """The relay under test, and clients at it that are closed at the end of a check."""

    def __init__(self, host, port, relay_key):
        self.host, self.port, self.relay_key = host, port, relay_key
        self.clients = []

    def client(self, private=None, **more):
        options = {'relay_key': self.relay_key, **more}
        self.clients.append(Client(self.host, self.port, private, **options))
        return self.clients[-1]

    def connected(self, private=None, **more):
        return self.client(private, **more).connect()

    def login(self, private=None, alias='', acks=False, **more):
        client = self.connected(private, **more)
        if acks:
            client.command('ACKS', 'on')
        client.login(alias)
        event(client, QUEUE_SENT, '')
        return client

    def away(self):
        """A key that has logged in once and is not here."""
        client = self.login()
        client.bye()
        return client

    def close(self):
        for client in self.clients:
            client.close()
        self.clients = []


# Keys and the challenge, without a relay


@check('keys derive as in the appendix')
def _(_scene):
    private = SigningKey(bytes([2] * 32)).to_curve25519_private_key()
    same(bytes(private).hex(), 'a83c626bc9c38c8c201878ebb1d5b0b50ac40e8986c78793db1d4ef369fca14e')
    same(bytes(private.public_key).hex(), '60346e7c911a5f6ba154129174cafe75b294ac3bbd5549632f48cec6266f8410')


@check('a challenge in any other form is refused')
def _(_scene):
    key, random = os.urandom(32), base64url(os.urandom(32))
    good = f'flexim-auth-1 {key.hex()} {NO_BINDING} {random}'
    check_challenge(good, key)
    same((len(good), len(pack(good)), len(seal(good, bytes(PrivateKey.generate().public_key)))), (166, 168, 216))
    for bad in (
        good + '\n',
        ' ' + good,
        good.replace(' ', '  ', 1),
        good.replace('auth-1', 'auth-2'),
        f'flexim-auth-1 {key.hex().upper()} {NO_BINDING} {random}',
        f'flexim-auth-1 {os.urandom(32).hex()} {NO_BINDING} {random}',
        f'flexim-auth-1 {key.hex()} {random} {random}',
        f'flexim-auth-1 {key.hex()} {NO_BINDING} {random[:42]}B',  # spare bits
        f'flexim-auth-1 {key.hex()} {NO_BINDING} {random[:42]}=',
    ):
        try:
            check_challenge(bad, key)
        except Mismatch:
            continue
        raise AssertionError(f'taken: {bad!r}')


# Hello, greeting, before the login


@check('greeting: name, key and time of the relay')
def _(scene):
    client = scene.connected()
    same(len(client.relay['aliases']), 1)
    true(abs(client.relay['last_seen'] - time.time()) < 60, 'its time is off')
    same(client.relay['proof'], None)
    if scene.relay_key is not None:
        same(client.relay['key'], scene.relay_key)


@check('a relay with another key than expected is not spoken to')
def _(scene):
    for known in ({'relay_key': os.urandom(32)}, {'pins': {f'{scene.host}:{scene.port}': os.urandom(32)}}):
        try:
            scene.connected(**known)
        except Mismatch as error:
            true(str(error).startswith('relay-key-changed'), str(error))
        else:
            raise AssertionError('spoken to')


@check('a wrong hello is reset at its first wrong byte, with nothing sent')
def _(scene):
    for hello in (b'GET / HTTP/1.1\r\n', HELLO[:4] + b'Y', b'\xa5'):
        client = scene.client()
        client.dial()
        client.write(hello)
        try:
            data = client.socket.recv(1)
        except ConnectionResetError:
            continue
        raise AssertionError(f'{hello}: got {data!r}')


@check('hello and frames may come byte by byte')
def _(scene):
    client = scene.client()
    client.dial()
    for byte in HELLO:
        client.write(bytes([byte]))
        time.sleep(0.01)
    kind, _body = client._frame(client._until())
    same(kind, USER)
    client.waiting.append('PING')
    for byte in frame(COMMAND, pack({'cmd': 'PING', 'payload': ['slow']})):
        client.write(bytes([byte]))
        time.sleep(0.002)
    same(client.answer()['payload'], 'slow')


@check('PING before login')
def _(scene):
    client = scene.connected()
    same(client.ping('42'), '42')
    same(client.ping(''), '')


@check('before login: other commands -4, other frames -24, and the login still works')
def _(scene):
    client = scene.connected()
    for cmd in ('GETUSER', 'SEARCH', 'ROSTER', 'REGISTER', 'UNREGISTER', 'OFFLINES', 'ACK', 'NONSENSE'):
        with refused(LOGIN_FIRST, 'login-first'):
            client.command(cmd)
    for kind in (MESSAGE, AUTH, ROSTER, USER, STATUS, 99, 255):
        client.write(frame(kind, b'\xc0'))
        event(client, FRAME_BEFORE_LOGIN, 'login-first')
    client.waiting.append('malformed')
    client.write(frame(COMMAND, b'\xc1'))
    with refused(MALFORMED, 'malformed'):
        client.answer()
    client.write(frame(AUTH_RESPONSE, pack({'challenge': 'no bin'})))
    event(client, BAD_FRAME, 'malformed')
    client.login()
    event(client, QUEUE_SENT, '')
    # What was tried before the login has no number.
    client.send(os.urandom(32).hex(), b'x')
    true(client.event()[1].split(' ')[1] == '1', 'not number 1')


# Login


@check('login: every check of the document, the proof, then event 22')
def _(scene):
    before = int(time.time())
    client = scene.login()
    same((client.me['key'], client.me['aliases'], client.seen_before), (client.key, [], 0))
    true(before - 1 <= client.me['last_seen'] <= time.time() + 1, 'last_seen is off')
    client.bye()
    again = scene.login(client.private)
    same(again.seen_before, client.me['last_seen'])


@check('the Auth frame is 365 bytes, its numbers int64')
def _(scene):
    client = scene.connected()
    client.write_datum(COMMAND, {'cmd': 'AUTH', 'payload': [client.name]})
    kind, body = client._frame(client._until())
    same((kind, len(body) + 3), (AUTH, 365))
    auth = fields(AUTH, unpack(body))
    for name in ('date', 'last_seen'):
        inside = SealedBox(client.private).decrypt(auth[name])
        same((len(inside), inside[0]), (9, 0xD3))
    true(abs(integer(open_box(auth['date'], client.private)) - time.time()) < 60, 'its date is off')


@check('hello, AUTH and PING in one write are answered in order')
def _(scene):
    client = scene.client()
    client.dial()
    commands = [{'cmd': 'AUTH', 'payload': [client.name.upper()]}, {'cmd': 'PING', 'payload': ['behind']}]
    client.write(HELLO + b''.join(frame(COMMAND, pack(command)) for command in commands))
    kinds = [client._frame(client._until())[0] for _ in range(3)]
    same(kinds, [USER, AUTH, STATUS])


@check('login with an alias; one that is taken is left out')
def _(scene):
    alias = fresh_alias('Py')
    alice = scene.login(alias=alias)
    same(alice.me['aliases'], [alias])
    bob = scene.login(alias=alias.lower())
    same(bob.me['aliases'], [])
    with refused(REFUSED, 'alias-taken'):
        bob.register(alias)


@check('AuthResponse without a nonce: logged in, no proof')
def _(scene):
    for nothing in ({}, {'nonce': None}):
        client = scene.connected()
        challenge, _seen = client.challenge()
        client.waiting.append('AuthResponse')
        client.write_datum(AUTH_RESPONSE, {'challenge': seal(challenge, client.relay['key']), **nothing})
        same(client.answer(), {**client.get_user(client.name), 'proof': None})


@check('wrong responses: -1 and the end')
def _(scene):
    def answering(change=lambda c: c, nonce=lambda: base64url(os.urandom(32)), box=seal):
        client = scene.connected()
        challenge, _seen = client.challenge()
        key = client.relay['key']
        client.write_datum(AUTH_RESPONSE, {'challenge': box(change(challenge), key), 'nonce': seal(nonce(), key)})
        ends(client, LOGIN_FAILED, 'login-failed')

    answering(change=lambda c: c[:-43] + base64url(os.urandom(32)))
    answering(change=lambda c: c + ' ')
    answering(change=lambda _: 'no')
    answering(change=lambda _: 7)
    answering(change=lambda c: c.encode())
    answering(nonce=lambda: '')
    answering(nonce=lambda: 'A' * 42 + 'B')
    answering(nonce=lambda: base64url(os.urandom(32)) + '=')
    answering(nonce=lambda: 5)
    answering(box=lambda *_: os.urandom(216))
    answering(box=lambda *_: b'')
    # sealed bare, without msgpack
    answering(box=lambda value, key: SealedBox(PublicKey(key)).encrypt(value.encode()))
    # for another connection
    other, _seen = scene.connected().challenge()
    answering(change=lambda _: other)


@check('AUTH with no key, a weak key or twice: -1 and the end')
def _(scene):
    low_order = 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'
    for key in ('', 'x' * 64, '00' * 31, '00' * 33, '00' * 32, '01' + '00' * 31, low_order):
        client = scene.connected()
        client.ask('AUTH', key)
        ends(client, LOGIN_FAILED, 'login-failed')
    client = scene.connected()
    client.challenge()
    client.ask('AUTH', client.name)
    ends(client, LOGIN_FAILED, 'login-failed')


@check('AuthResponse without AUTH, and a second login: -1 and the end')
def _(scene):
    client = scene.connected()
    client.write_datum(AUTH_RESPONSE, {'challenge': seal('no', client.relay['key'])})
    ends(client, LOGIN_FAILED, 'login-failed')
    client = scene.login()
    client.ask('AUTH', client.name)
    ends(client, LOGIN_FAILED, 'login-failed')
    client = scene.login()
    client.write_datum(AUTH_RESPONSE, {'challenge': seal('no', client.relay['key'])})
    ends(client, LOGIN_FAILED, 'login-failed')


@check('a malformed AuthResponse does not use the challenge up')
def _(scene):
    client = scene.connected()
    challenge, _seen = client.challenge()
    client.write(frame(AUTH_RESPONSE, b'\x81'))
    event(client, BAD_FRAME, 'malformed')
    client.waiting.append('AuthResponse')
    client.write_datum(AUTH_RESPONSE, {'challenge': seal(challenge, client.relay['key'])})
    same(client.answer()['key'], client.key)


@check('array forms of AUTH, AuthResponse, commands and Messages')
def _(scene):
    client = scene.connected().login(as_array=True)
    event(client, QUEUE_SENT, '')
    same(client.command('PING', 'array', as_array=True)['payload'], 'array')
    client.send(client.name, b'to myself', as_array=True)
    same(client.receive()['msg'], b'to myself')
    # AUTH as an array, the texts as bin
    other = scene.connected()
    other.waiting.append('AUTH')
    other.write_datum(COMMAND, [b'AUTH', [other.name.encode()], 'one too many'])
    true('challenge' in other.answer(), 'no Auth')


@check('a newer login replaces the older: what waited, Status 5, the end')
def _(scene):
    older, sender = scene.login(), scene.login()
    sender.send(older.name, b'for the older')
    sender.ping()
    newer = scene.login(older.private)
    same(older.receive()['msg'], b'for the older')
    ends(older, REPLACED, 'replaced')
    same(sender.send(newer.name, b'for the newer'), 2)
    same(newer.receive()['msg'], b'for the newer')
    quiet(sender, newer)


# Messages


@check('Messages both ways, as the sender wrote them')
def _(scene):
    alice, bob = scene.login(), scene.login()
    alice.send(bob.name, b'hello bob')
    same(bob.receive(), {'to': bob.name, 'from': '', 'flags': [], 'date': 0, 'msg': b'hello bob'})
    bob.send(alice.name.upper(), 'hello \N{GREEK SMALL LETTER ALPHA}lice')
    same(alice.receive()['msg'], 'hello \N{GREEK SMALL LETTER ALPHA}lice')
    quiet(alice, bob)


@check('msg of 0, 1, 60,000 and 65,407 bytes; a frame that is full')
def _(scene):
    alice, bob = scene.login(), scene.login()
    for size in (0, 1, 60_000, 65_407):
        msg = os.urandom(size)
        alice.send(bob.name, msg)
        same(bob.receive()['msg'], msg)
    head = len(pack({'to': bob.name, 'msg': b'x' * 60_000})) - 60_000
    msg = os.urandom(MAX_BODY - head)
    alice.send_body(pack({'to': bob.name, 'msg': msg}))
    same(bob.receive()['msg'], msg)
    try:
        alice.send(bob.name, bytes(65_535))
    except ValueError as error:
        same(str(error), 'frame-too-large')
    quiet(alice, bob)


@check('500 Messages arrive in order, both ways at once')
def _(scene):
    alice, bob = scene.login(), scene.login()
    for n in range(500):
        alice.send(bob.name, b'a%d' % n)
        bob.send(alice.name, b'b%d' % n)
    same([bob.receive()['msg'] for _ in range(500)], [b'a%d' % n for n in range(500)])
    same([alice.receive()['msg'] for _ in range(500)], [b'b%d' % n for n in range(500)])
    quiet(alice, bob)


@check('/live: arrives, or is dropped without a word')
def _(scene):
    alice, bob, away = scene.login(), scene.login(), scene.away()
    alice.send(f'{bob.name}/live', b'typing')
    got = bob.receive()
    same((got['to'], got['msg']), (f'{bob.name}/live', b'typing'))
    for nobody in (away.name, os.urandom(32).hex(), fresh_alias(), ''):
        alice.send(f'{nobody}/live', b'typing')
    quiet(alice, bob)


@check('unknown recipient: -20 with the number; an away one: 20')
def _(scene):
    alice, bob, away = scene.login(), scene.login(), scene.away()
    nobody, alias = os.urandom(32).hex(), fresh_alias()
    alice.send(nobody, b'1')
    alice.send(bob.name, b'2')
    alice.send(away.name, b'3')
    alice.send(f'{nobody}/live', b'4')
    alice.send(alias, b'5')
    alice.send(away.name.upper(), b'6')
    alice.send_body(b'\xc0')
    alice.send('x' * 300, b'8')
    alice.ping()  # all events are here then, in any order (§6.3)
    wanted = [
        (UNKNOWN_RECIPIENT, f'{nobody} 1'),
        (QUEUED, f'{away.name} 3'),
        (UNKNOWN_RECIPIENT, f'{alias} 5'),
        (QUEUED, f'{away.name.upper()} 6'),
        (UNKNOWN_RECIPIENT, f"{'x' * 256} 8"),
    ]
    got = sorted((payload.split(' ')[1:2], code, payload) for code, payload in alice.events if code != BAD_FRAME)
    same([(code, ' '.join(payload.split(' ')[:2])) for _n, code, payload in got], wanted)
    same([payload.split(' ')[0] for code, payload in alice.events if code == BAD_FRAME], ['malformed'])
    same([payload for code, payload in alice.events if code == QUEUED], [wanted[1][1], wanted[3][1]])
    alice.events.clear()
    same(bob.receive()['msg'], b'2')
    quiet(alice, bob)


@check('to an alias, in any spelling; freed, it names nobody')
def _(scene):
    alias = fresh_alias('Straße')
    alice, bob = scene.login(), scene.login(alias=alias)
    for to in (alias, alias.upper().replace('SS', 'ß'), f'{alias.lower()}/live', alias.encode()):
        alice.send(to, b'x')
        same(bob.receive()['to'], text(to))
    bob.unregister(alias)
    alice.send(alias, b'x')
    event(alice, UNKNOWN_RECIPIENT, f'{alias} 5')
    quiet(alice, bob)


@check('what stands around `to` is forwarded unchanged')
def _(scene):
    alice = scene.login()
    key, str_to = pack(alice.name), pack('to')
    bodies = (
        b'\xde\x00\x01\xd9\x02to\xc5\x00\x40' + alice.name.encode(),  # other formats
        b'\x83\x01\xc7\x01\x05x\xa1\xff\xc0' + str_to + key,  # ext, and a key that is not UTF-8, before
        b'\x82\x93\x01\x02\x03\x81\xc3\xca\x00\x00\x00\x00' + str_to + key,  # array and map before
        b'\x8f' + str_to + key + b'\xc1 nonsense behind',
        b'\xdd\x00\x00\x00\x09' + key,
        b'\x82' + str_to + key + str_to + pack('nobody'),  # the first counts
        b'\x82\xa1a' + b'\x91' * 16 + b'\xc0' + str_to + key,  # 16 deep
    )
    for body in bodies:
        alice.send_body(body)
        kind, got = alice._frame(alice._until())
        same((kind, got), (MESSAGE, body))
    for body in (
        b'',
        b'\x80',
        b'\x90',
        b'\xa2to',
        b'\x81' + str_to + b'\x01',
        b'\x81\xc4\x02to' + key,
        b'\x82\xc1\xc0' + str_to + key,
        b'\x81' + str_to + key[:-1],
        b'\x82\xa1a\xdd\xff\xff\xff\xff' + str_to + key,
    ):
        alice.send_body(body)
        event(alice, BAD_FRAME, 'malformed')
    quiet(alice)


@check('a Message that no reader understands ends nothing')
def _(scene):
    alice, bob = scene.login(), scene.login()
    alice.send_body(b'\x8f' + pack('to') + pack(bob.name) + b'\xc1')
    alice.send(bob.name, b'behind')
    same(bob.receive()['msg'], b'behind')
    quiet(alice, bob)


@check('who does not read: his Messages are queued, and all arrive in order')
def _(scene):
    alice, bob = scene.login(), scene.client()
    bob.connect(receive_buffer=8192).login()
    event(bob, QUEUE_SENT, '')
    for n in range(1, 201):
        alice.send(bob.name, b'%d ' % n + bytes(60_000))
    alice.ping()
    same({code for code, _payload in alice.events}, {QUEUED})
    numbers = [int(payload.split(' ')[1]) for _code, payload in alice.events]
    same(numbers, list(range(201 - len(numbers), 201)))
    same([int(bob.receive()['msg'].split(b' ')[0]) for _ in range(200)], list(range(1, 201)))
    bob.ping()  # the last of the queue is off the disk
    alice.events.clear()
    alice.send(bob.name, b'at once again')
    same(bob.receive()['msg'], b'at once again')
    quiet(alice, bob)


# The queue


def queue(sender, to, *msgs):
    """Sends to somebody who is away, until all of it is on the disk."""
    numbers = [sender.send(to, msg) for msg in msgs]
    sender.ping()
    same(list(sender.events), [(QUEUED, f'{to} {n}') for n in numbers])
    sender.events.clear()


def texts(client, count):
    return [client.receive()['msg'] for _ in range(count)]


@check('the queue: 20 on the disk; at login in order, byte for byte, then 22; then it is empty')
def _(scene):
    alice, carol, bob = scene.login(), scene.login(), scene.away()
    queue(alice, bob.name, b'one', b'two')
    queue(carol, bob.name, b'three')
    odd = b'\x83\x01\xc7\x01\x05x\xa1\xff\xc0' + pack('to') + pack(bob.name)
    alice.send_body(odd)
    alice.send(f'{bob.name}/live', b'never')
    alice.ping()
    event(alice, QUEUED, f'{bob.name} 3')
    client = scene.connected(bob.private).login()
    frames = [client._cut() or client._frame(client._until()) for _ in range(5)]
    same([unpack(body)[-1][1] for _kind, body in frames[:3]], [b'one', b'two', b'three'])
    same(frames[3], (MESSAGE, odd))
    same((frames[4][0], fields(STATUS, unpack(frames[4][1]))), (STATUS, {'status': QUEUE_SENT, 'payload': ''}))
    client.bye()
    quiet(scene.login(bob.private), alice, carol)


@check('ACKS: numbers from 1 behind User; what is not acknowledged comes again, first and in order')
def _(scene):
    alice, bob = scene.login(), scene.away()
    queue(alice, bob.name, b'one', b'two', b'three')
    first = scene.login(bob.private, acks=True)
    same((first.received, texts(first, 3)), (3, [b'one', b'two', b'three']))
    alice.send(bob.name, b'at once')
    alice.send(f'{bob.name}/live', b'typing')
    same((texts(first, 2), first.received), ([b'at once', b'typing'], 5))
    first.acknowledge(2)
    quiet(alice, first)
    first.close()
    while True:  # until the relay has seen that
        alice.send(bob.name, b'later')
        alice.ping()
        if alice.events:
            break
    event(alice, QUEUED, f'{bob.name} {alice.sent}')
    laters = alice.sent - 5
    second = scene.login(bob.private, acks=True)
    same(texts(second, 2 + laters), [b'three', b'at once'] + [b'later'] * laters)
    same(second.received, 2 + laters)
    second.acknowledge()
    second.bye()
    quiet(scene.login(bob.private, acks=True))


@check('a frame that nobody understands has a number and is acknowledged')
def _(scene):
    alice, bob = scene.login(), scene.login(acks=True)
    alice.send_body(b'\x8f' + pack('to') + pack(bob.name) + b'\xc1')
    alice.send(bob.name, b'behind')
    same((bob.receive()['msg'], bob.received), (b'behind', 2))
    bob.acknowledge(2)
    bob.bye()
    quiet(scene.login(bob.private, acks=True))


@check('ACKS later: number 1 is the first Message behind its answer')
def _(scene):
    alice, bob = scene.login(), scene.login()
    alice.send(bob.name, b'before')
    same(bob.receive()['msg'], b'before')
    bob.command('ACKS', 'on')
    alice.send(bob.name, b'behind')
    same((bob.receive()['msg'], bob.received), (b'behind', 1))
    bob.acknowledge(2)
    event(bob, BAD_FRAME, 'bad-ack')
    bob.close()
    again = scene.login(bob.private, acks=True)
    same(texts(again, 1), [b'behind'])
    again.acknowledge()
    quiet(again, alice)


@check('wrong ACKs are events, and nothing is lost by them; ACKS takes "on" alone')
def _(scene):
    alice, bob = scene.login(), scene.login()
    bob.acknowledge(0)  # not turned on
    event(bob, BAD_FRAME, 'bad-ack')
    for words in ((), ('off',), ('ON',), ('',)):
        with refused(MALFORMED, 'bad-payload'):
            bob.command('ACKS', *words)
    for _ in range(2):
        same(bob.command('ACKS', 'on'), {'status': 0, 'payload': ''})
    alice.send(bob.name, b'one')
    alice.send(bob.name, b'two')
    texts(bob, 2)
    bob.command('ACKS', 'on')  # changes nothing
    for n in (0, 0, 1, 1):
        bob.acknowledge(n)
    quiet(bob)
    for n in (0, 3, -1, '', '01', '+2', '2 ', '2.0', '0x2', 'two', '9' * 15, '9' * 16, '9' * 400):
        bob.acknowledge(n)
        event(bob, BAD_FRAME, 'bad-ack')
    bob.write_datum(COMMAND, {'cmd': 'ACK', 'payload': []})
    event(bob, BAD_FRAME, 'bad-ack')
    bob.close()
    again = scene.login(bob.private, acks=True)
    same(texts(again, 1), [b'two'])
    quiet(again, alice)


@check('a newer login is given what the older one had not acknowledged, and then what comes')
def _(scene):
    alice, older = scene.login(), scene.login(acks=True)
    for n in range(1, 6):
        alice.send(older.name, b'%d' % n)
    same(len(texts(older, 5)), 5)
    older.acknowledge(2)
    older.ping()
    newer = scene.login(older.private, acks=True)
    ends(older, REPLACED, 'replaced')
    alice.send(newer.name, b'6')
    same(texts(newer, 4), [b'3', b'4', b'5', b'6'])
    newer.acknowledge(4)
    newer.bye()
    quiet(scene.login(older.private), alice)


@check('a newer login is given all that an older one did not read, from the window and the queue, in order')
def _(scene):
    alice, older = scene.login(), scene.client()
    older.connect(receive_buffer=8192).command('ACKS', 'on')
    older.login()
    for n in range(1, 201):
        alice.send(older.name, b'%d ' % n + bytes(60_000))
    alice.ping()
    newer = scene.connected(older.private)
    newer.command('ACKS', 'on')
    newer.login()
    for n in range(1, 201):
        same(int(newer.receive()['msg'].split(b' ')[0]), n)
        newer.acknowledge()
    newer.ping()
    newer.bye()
    quiet(scene.login(older.private))


@check('the window: so many Messages without an ACK and no more, then on in order')
def _(scene):
    alice, bob = scene.login(), scene.login(acks=True)
    for n in range(1, WINDOW + 101):
        alice.send(bob.name, b'%d' % n)
    alice.ping()
    same({code for code, _payload in alice.events}, {QUEUED})
    true(len(alice.events) >= 100, 'more were sent than may be')
    same(texts(bob, WINDOW), [b'%d' % n for n in range(1, WINDOW + 1)])
    quiet(bob)
    alice.send(f'{bob.name}/live', b'dropped')
    alice.ping()
    bob.acknowledge(50)
    same(texts(bob, 50), [b'%d' % n for n in range(WINDOW + 1, WINDOW + 51)])
    quiet(bob)
    bob.acknowledge()
    same(texts(bob, 50), [b'%d' % n for n in range(WINDOW + 51, WINDOW + 101)])
    bob.acknowledge()
    quiet(bob)
    alice.send(f'{bob.name}/live', b'not dropped')
    same(texts(bob, 1), [b'not dropped'])


@check('the share of one sender: -21 share-full, while others go on')
def _(scene):
    alice, carol, bob = scene.login(), scene.login(), scene.away()
    for n in range(SHARE + 1):
        alice.send(bob.name, b'%d' % n)
    alice.ping()
    codes = [code for code, _payload in alice.events]
    same((codes.count(QUEUED), codes.count(QUEUE_FULL)), (SHARE, 1))
    full = next(payload for code, payload in alice.events if code == QUEUE_FULL)
    same(full.split(' ')[:3], [bob.name, str(SHARE + 1), 'share-full'])
    queue(carol, bob.name, b'from another')
    client = scene.login(bob.private)
    same(texts(client, SHARE + 1), [b'%d' % n for n in range(SHARE)] + [b'from another'])
    quiet(client)
    alice.events.clear()
    alice.send(bob.name, b'room again')
    same(client.receive()['msg'], b'room again')
    quiet(alice)


# Commands


@check('every command has one answer, in order, many at once')
def _(scene):
    client = scene.login()
    for n in range(200):
        client.ask('PING', str(n))
        client.ask('GETUSER', client.name)
        client.send(os.urandom(32).hex(), b'')
    for n in range(200):
        same(client.answer()['payload'], str(n))
        same(client.answer()['key'], client.key)
    client.ping()
    same([int(payload.split(' ')[1]) for _code, payload in client.events], list(range(1, 201)))


@check('PING: 256 units at most, counted in UTF-16')
def _(scene):
    client = scene.login()
    for words in ('x' * 256, '\N{PILE OF POO}' * 128, '\0 "\n'):
        same(client.ping(words), words)
    for words in ('x' * 257, '\N{PILE OF POO}' * 129):
        with refused(MALFORMED, 'too-long'):
            client.ping(words)
    same(client.command('PING')['payload'], '')
    same(client.command('PING', 'one', 'two')['payload'], 'one')


@check('OFFLINES is fine; small letters and nonsense are unknown')
def _(scene):
    client = scene.login()
    same(client.command('OFFLINES'), {'status': 0, 'payload': ''})
    for cmd in ('acks', 'ack', 'fe1_put', 'FE1', 'ping', 'PING ', '', 'x' * 60_000):
        with refused(MALFORMED, 'unknown-command'):
            client.command(cmd)


@check('GETUSER by key and by alias; the time of others to the day')
def _(scene):
    alias = fresh_alias('Get')
    alice, bob = scene.login(), scene.login(alias=alias)
    for who in (bob.name, bob.name.upper(), alias, alias.upper()):
        day = bob.me['last_seen'] // 86_400 * 86_400
        same(alice.get_user(who), {'aliases': [alias], 'key': bob.key, 'last_seen': day, 'proof': None})
    same(bob.get_user(alias), {**bob.me, 'proof': None})
    for nobody in (os.urandom(32).hex(), fresh_alias(), 'no alias!', ''):
        with refused(NOT_FOUND, 'unknown-user'):
            alice.get_user(nobody)
        with refused(NOT_FOUND, 'unknown-user'):
            alice.command('GETUSER')


@check('REGISTER: in order, spelling kept; taken, held, invalid, limit')
def _(scene):
    alice, bob = scene.login(), scene.login()
    names = [fresh_alias(beginning) for beginning in ('Zoe', 'ann.', 'É-', '漢字', '_')]
    for count, name in enumerate(names, 1):
        same(alice.register(name), {**alice.me, 'aliases': names[:count], 'proof': None})
    same(alice.register(names[0].upper())['aliases'], names)
    same(alice.register(unicodedata.normalize('NFD', names[2]))['aliases'], names)
    with refused(REFUSED, 'alias-limit'):
        alice.register(fresh_alias())
    for name in (names[0], names[1].upper(), unicodedata.normalize('NFD', names[2])):
        with refused(REFUSED, 'alias-taken'):
            bob.register(name)
    for bad in ('', 'a b', 'a/live', 'x' * 33, 'aж', 'αa', 'а'.upper() + 'a', '½', '\u200d', 'a\0', alice.name, 'Ⅻ²€'):
        with refused(REFUSED, 'alias-invalid'):
            bob.register(bad)
    with refused(REFUSED, 'alias-invalid'):
        bob.command('REGISTER')
    long = os.urandom(16).hex()
    same(bob.register(long)['aliases'], [long])
    same(alice.unregister(names[1].upper())['aliases'], names[:1] + names[2:])
    with refused(REFUSED, 'alias-held'):
        bob.register(names[1])
    same(alice.register(names[1])['aliases'], names[:1] + names[2:] + names[1:2])


@check('UNREGISTER of what one does not have: -3')
def _(scene):
    alias = fresh_alias()
    alice, bob = scene.login(alias=alias), scene.login()
    for name in (alias, fresh_alias(), 'no alias!', ''):
        with refused(NOT_FOUND, 'not-yours'):
            bob.unregister(name)
    same(alice.get_user(alias)['aliases'], [alias])


@check('aliases are kept over connections')
def _(scene):
    alias = fresh_alias()
    alice = scene.login(alias=alias)
    alice.bye()
    same(scene.login(alice.private).me['aliases'], [alias])
    same(scene.login(alice.private, alias.upper()).me['aliases'], [alias])


@check('SEARCH: by the folded beginning, ordered, each once, 50 at most')
def _(scene):
    start = fresh_alias('Sé')
    people = []
    for n in range(55):
        people.append(scene.login(alias=f'{start}{n:02}'))
    people[3].register(f'{start}00b')
    seeker = people[-1]
    found = seeker.search(start.upper())
    same([record['key'] for record in found], [p.key for p in [people[0], people[3], *people[1:3], *people[4:50]]])
    today = people[0].me['last_seen'] // 86_400 * 86_400
    true(all(record['last_seen'] % 86_400 == 0 for record in found), 'not to the day')
    true(abs(found[0]['last_seen'] - today) <= 86_400, 'not today')
    same([record['key'] for record in seeker.search(f'{start}54')], [seeker.key])
    same(seeker.search(f'{start}54')[0]['last_seen'], seeker.me['last_seen'] // 86_400 * 86_400)
    same(seeker.search('no alias'), [])
    same(seeker.search('x' * 40), [])
    for short in ('', 'x', '𠀀'):
        with refused(MALFORMED, 'too-short'):
            seeker.search(short)


@check('ROSTER: page by page, in order, everybody with an alias once')
def _(scene):
    # Five aliases of 32 characters of four bytes each: about 90 such users fill a frame.
    digits = {ord('0') + digit: 0x20010 + digit for digit in range(10)}
    start = ('\U00020000' * 20 + f"{int.from_bytes(os.urandom(3), 'big'):08}").translate(digits)
    people = {}
    for n in range(100):
        names = [start + f'{n:03}{i}'.translate(digits) for i in range(5)]
        client = scene.login()
        for name in reversed(names):
            client.ask('REGISTER', name)
        for _ in names:
            client.answer()
        people[client.key] = names
        client.close()
    nameless = scene.login()
    pages = list(nameless.roster())
    true(len(pages) > 1, 'all on one page')
    users = [record for page in pages for record in page]
    keys = [record['key'] for record in users]
    same(len(set(keys)), len(keys))
    same([key for key in keys if key in people], list(people))
    true(nameless.key not in keys, 'somebody without an alias is listed')
    firsts = [first_alias(record) for record in users]
    same(firsts, sorted(firsts))
    true(all(record['last_seen'] % 86_400 == 0 for record in users), 'not to the day')
    # A cursor need not exist.
    same(nameless.roster_page(start)[0]['key'], next(iter(people)))
    same(nameless.roster_page(''), pages[0])
    for bad in ('no alias!', 'x' * 33, nameless.name):
        with refused(MALFORMED, 'bad-cursor'):
            nameless.roster_page(bad)


@check('malformed commands: -2, and the connection goes on')
def _(scene):
    client = scene.login()
    nested = b'\x91' * 15 + b'\xc0'
    ping = pack('cmd') + pack('PING') + pack('payload') + pack(['x'])
    for body in (
        b'',
        b'\xc1',
        b'\xc0',
        b'\x82\xa3cmd',
        pack({'cmd': 'PING'}),
        pack({'payload': []}),
        pack({'cmd': 5, 'payload': []}),
        pack({'cmd': None, 'payload': []}),
        pack({'cmd': 'PING', 'payload': 'x'}),
        pack({'cmd': 'PING', 'payload': [1]}),
        pack({'cmd': 'PING', 'payload': None}),
        pack({'cmd': 'PING', 'payload': {}}),
        pack({'cmd': 'PING', 'payload': []}) + b'\xc0',
        pack({'cmd': b'\xff', 'payload': []}),
        pack(['PING']),
        b'\x83' + ping + b'\xa1\xff\xc0',
        b'\x83' + ping + b'\xa1z' + b'\x91' + nested,
        b'\x83' + ping + b'\xa1z\xdd\xff\xff\xff\xff',
        b'\x82\xc4\x03cmd\xa4PING' + pack('payload') + pack(['x']),
    ):
        client.waiting.append(body)
        client.write(frame(COMMAND, body))
        with refused(MALFORMED, 'malformed'):
            client.answer()
    for body in (
        b'\x82' + ping,
        b'\x83' + ping + b'\xa1z' + nested,
        b'\x84\x01\x02\xd4\x01\x01\xcb' + bytes(8) + ping,
        b'\x83' + pack('payload') + pack([b'x']) + pack('cmd') + pack(b'GETUSER') + pack('cmd') + pack('PING'),
        pack(['PING', ['x'], 1, None, {}]),
    ):
        client.waiting.append(body)
        client.write(frame(COMMAND, body))
        same(client.answer(), {'status': 0, 'payload': 'x'})


@check('frames of a wrong or unknown type: -22, and the connection goes on')
def _(scene):
    client = scene.login()
    for kind in (AUTH, ROSTER, USER, STATUS, 7, 99, 255):
        for body in (b'', b'\xc0', bytes(MAX_BODY)):
            client.write(frame(kind, body))
            event(client, BAD_FRAME, 'unknown-type')
    client.send(os.urandom(32).hex(), b'')
    true(client.event()[1].split(' ')[1] == '1', 'frames of other types were numbered')
    quiet(client)


# The end


@check('BYE: Status 0, then the end, what comes behind it is ignored')
def _(scene):
    for client in (scene.connected(), scene.login()):
        client.ask('BYE')
        client.ask('PING')
        same(client.answer(), {'status': 0, 'payload': ''})
        same(client.until_end().status, None)
    true(scene.login(client.private).seen_before > 0, 'not known')


@check('who closes his sending side is closed as a whole')
def _(scene):
    client = scene.login()
    client.socket.shutdown(socket.SHUT_WR)
    same(client.until_end().status, None)


@check('the relay is stopped: -7, and it serves on until BYE')
def _(scene):
    if scene.pid is None:
        return
    alice, bob, stranger = scene.login(), scene.login(acks=True), scene.connected()
    away = scene.away()
    alice.send(bob.name, b'not acknowledged')
    same(texts(bob, 1), [b'not acknowledged'])
    os.kill(scene.pid, signal.SIGTERM)
    for client in (alice, bob):
        code, payload = client.event()
        same(code, STOPPING)
        true(1 <= int(payload.split(' ')[0]) <= 5, payload)
    true(1 <= int(stranger.until_end().words.split(' ')[0]) <= 5, 'not told when')
    alice.send(bob.name, b'still served')
    same(texts(bob, 1), [b'still served'])
    queue(alice, away.name, b'queued')
    bob.acknowledge()
    same(bob.ping('still here'), 'still here')
    alice.bye()
    same(bob.until_end().status, STOPPING)  # it was silent


def main(arguments):
    if not 2 <= len(arguments) <= 4:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    scene = Scene(arguments[0], int(arguments[1]), bytes.fromhex(arguments[2]) if len(arguments) > 2 else None)
    scene.pid = int(arguments[3]) if len(arguments) > 3 else None
    failed = 0
    for number, (title, run) in enumerate(CHECKS, 1):
        try:
            run(scene)
            print(f'{number:3} ok      {title}', flush=True)
        except Exception as error:  # a check must not end the others
            failed += 1
            print(f'{number:3} FAILED  {title}: {type(error).__name__}: {error}', flush=True)
        finally:
            scene.close()
    print(f'{len(CHECKS) - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
