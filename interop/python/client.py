"""stomp.py, with what it calls back waiting in queues."""

import itertools
import queue

import stomp
from stomp.adapter.ws import WSStompConnection

PATIENCE = 20

# The transports. The application reconnects by itself, so a client makes one attempt.
WAYS = {
    'stomp.py, TCP, 1.1': lambda b, **o: stomp.Connection11([('127.0.0.1', b.tcp)], reconnect_attempts_max=1, **o),
    'stomp.py, TCP, 1.2': lambda b, **o: stomp.Connection12([('127.0.0.1', b.tcp)], reconnect_attempts_max=1, **o),
    'stomp.py, WebSocket': lambda b, **o: WSStompConnection([('127.0.0.1', b.ws)], ws_path='/ws', reconnect_attempts_max=1, **o),
}

numbers = itertools.count()


def unique(prefix):
    """A name that nothing else uses."""
    return f'{prefix}{next(numbers)}'


class Client(stomp.ConnectionListener):
    """One connection, which is closed at the end of its block."""

    def __init__(self, way, broker, headers=None, connect=True, **options):
        self.way, self.headers = way, headers or {}
        self.connection = WAYS[way](broker, heart_beat_receive_scale=2, **options)
        self.connection.set_listener('test', self)
        self.came = {name: queue.Queue() for name in ('CONNECTED', 'MESSAGE', 'RECEIPT', 'ERROR', 'end', 'heart-beat')}
        if connect:
            self.connect()

    def connect(self):
        """Connects, and gives the headers of CONNECTED."""
        self.connection.connect(headers=dict(self.headers), wait=True)
        return self.next('CONNECTED').headers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.connection.is_connected():
            self.connection.disconnect()
            self.next('end')

    def next(self, what):
        """The next of what was called back."""
        try:
            return self.came[what].get(timeout=PATIENCE)
        except queue.Empty:
            errors = [f.body for f in list(self.came['ERROR'].queue)]
            raise AssertionError(f'no {what} came; errors: {errors}') from None

    def on_connected(self, frame):
        self.came['CONNECTED'].put(frame)

    def on_message(self, frame):
        self.came['MESSAGE'].put(frame)

    def on_receipt(self, frame):
        self.came['RECEIPT'].put(frame)

    def on_error(self, frame):
        self.came['ERROR'].put(frame)

    def on_disconnected(self):
        self.came['end'].put(None)

    def on_heartbeat(self):
        self.came['heart-beat'].put(None)

    def receipt(self, wanted):
        """Waits for a RECEIPT."""
        got = self.next('RECEIPT').headers['receipt-id']
        assert got == wanted, f'the receipt is {got}'

    def send(self, destination, body=b'', **headers):
        """Sends, and waits until the broker has it."""
        receipt = unique('sent-')
        self.connection.send(destination, body, receipt=receipt, **headers)
        self.receipt(receipt)

    def subscribe(self, destination, ack='auto', **headers):
        """Subscribes, waits until that is so, and gives the id."""
        name = unique('s-')
        self.connection.subscribe(destination, id=name, ack=ack, receipt=name, headers=headers)
        self.receipt(name)
        return name

    def message(self, body):
        """The next message, which has that body."""
        frame = self.next('MESSAGE')
        assert frame.body == body, f'the body is {frame.body!r}'
        return frame

    def answer(self, how, frame, **more):
        """ACK or NACK, as the version has it, and waits until that is done."""
        receipt = unique('done-')
        act = getattr(self.connection, how)
        if self.way.endswith('1.1'):
            act(frame.headers['message-id'], frame.headers['subscription'], receipt=receipt, **more)
        else:
            act(frame.headers['ack'], receipt=receipt, **more)
        if 'transaction' not in more:
            self.receipt(receipt)
        return receipt

    def ended(self, word):
        """Waits for an ERROR, and the end; gives the ERROR's body."""
        frame = self.next('ERROR')
        assert frame.headers['message'] == word, f'the ERROR is {frame.headers}: {frame.body}'
        self.next('end')
        return frame.body

    def nothing(self):
        """Wants no message to be there, or on the way."""
        topic = unique('/topic/open.fence.')
        name = self.subscribe(topic)
        self.send(topic, b'fence')
        self.message('fence')
        self.connection.unsubscribe(id=name)
