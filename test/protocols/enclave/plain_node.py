"""A plain Enclave node that knows the seed document and nothing of flexim. For tests.

usage: plain_node.py ALIAS LISTEN_PORT [DIAL_PORT]
stdin:  say TEXT | alias NAME | status N TEXT | raw HEX | quit      stdout: one JSON object a line
"""
import json, socket, struct, sys, threading, time

alias = sys.argv[1]
state = {"alias": alias, "status": 1, "status-message": "here"}
peers = []
lock = threading.Lock()
greeting = threading.Lock()  # whoever was greeted is among the peers


def tell(**what):
    with lock:
        print(json.dumps(what), flush=True)


def pack(packet):
    body = json.dumps(dict(packet, timestamp=int(time.time()))).encode("utf-8")
    return struct.pack("!I", len(body)) + body


def read(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def serve(stream):
    with greeting:
        stream.sendall(pack(state))
        peers.append(stream)
    try:
        while True:
            (length,) = struct.unpack("!I", read(stream, 4))
            packet = json.loads(read(stream, length).decode("utf-8"))
            tell(got={name: packet[name] for name in packet if name != "timestamp"},
                 timed=isinstance(packet.get("timestamp"), int))
            if packet.get("status") == 0:
                break
    except (EOFError, OSError):
        pass
    peers.remove(stream)
    stream.close()
    tell(gone=True)


def listen(server):
    while True:
        stream, _ = server.accept()
        threading.Thread(target=serve, args=(stream,), daemon=True).start()


server = socket.create_server(("127.0.0.1", int(sys.argv[2])))
threading.Thread(target=listen, args=(server,), daemon=True).start()
tell(port=server.getsockname()[1])
if len(sys.argv) > 3:
    dialled = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    threading.Thread(target=serve, args=(dialled,), daemon=True).start()
for line in sys.stdin:
    word, _, rest = line.rstrip("\n").partition(" ")
    change = {"say": {"message": rest}, "alias": {"alias": rest}, "quit": {"status": 0}}.get(word)
    if word == "status":
        number, _, text = rest.partition(" ")
        change = {"status": int(number), "status-message": text}
    state.update({name: value for name, value in (change or {}).items() if name != "message"})
    with greeting:
        for peer in list(peers):
            peer.sendall(bytes.fromhex(rest) if word == "raw" else pack(change))
    if word == "quit":
        break
