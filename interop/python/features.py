"""What stomp.py is to do with the broker: one function for each feature.

Each is given a broker that everybody may use, and the way to connect.
"""

import stomp

from broker import RULES, Broker, token
from client import Client, unique

FEATURES = []


def feature(name):
    """Adds a function to the list, by the name that the table has."""
    def add(function):
        FEATURES.append((name, function))
        return function
    return add


@feature('connect and disconnect')
def connect(broker, way):
    with Client(way, broker, {'login': 'ada'}, connect=False) as c:
        headers = c.connect()
        assert headers['version'] == ('1.1' if way.endswith('1.1') else '1.2'), headers
        assert headers['user-name'] == 'ada' and headers['session'], headers
        c.connection.disconnect(receipt='bye')
        c.receipt('bye')
        c.next('end')


@feature('topics')
def topics(broker, way):
    topic = unique('/topic/news.')
    with Client(way, broker) as one, Client(way, broker) as two:
        one.subscribe(topic + '.*')
        name = two.subscribe(topic + '.sport')
        one.send(topic + '.sport', b'goal', kind='a:b\\c\nd')
        assert one.message('goal').headers['destination'] == topic + '.sport'
        headers = two.message('goal').headers
        assert headers['kind'] == 'a:b\\c\nd' and headers['subscription'] == name, headers


@feature('ack auto')
def ack_auto(broker, way):
    queue = unique('/queue/orders.')
    with Client(way, broker) as c:
        c.send(queue, b'one')
        c.subscribe(queue)
        assert 'ack' not in c.message('one').headers


@feature('ack client')
def ack_client(broker, way):
    queue = unique('/queue/orders.')
    with Client(way, broker) as c:
        c.subscribe(queue, ack='client')
        for body in (b'one', b'two', b'three'):
            c.send(queue, body)
        c.message('one')
        c.answer('ack', c.message('two'))  # cumulative: the first as well
        c.message('three')
    with Client(way, broker) as c:
        c.subscribe(queue)
        assert c.message('three').headers['redelivered'] == 'true'
        c.nothing()


@feature('ack client-individual, prefetch')
def ack_individual(broker, way):
    queue = unique('/queue/orders.')
    with Client(way, broker) as c:
        c.subscribe(queue, ack='client-individual', **{'prefetch-count': '2'})
        for body in (b'one', b'two', b'three'):
            c.send(queue, body)
        c.message('one')
        second = c.message('two')
        c.nothing()
        c.answer('ack', second)
        c.message('three')


@feature('receipts')
def receipts(broker, way):
    with Client(way, broker) as c:
        for n in range(20):
            c.send(unique('/queue/receipts.'), b'x')
        c.connection.begin('t', receipt='begun')
        c.receipt('begun')
        c.connection.abort('t', receipt='aborted')
        c.receipt('aborted')


@feature('nack and redelivery')
def nack(broker, way):
    queue = unique('/queue/orders.')
    with Client(way, broker) as c:
        c.subscribe(queue, ack='client-individual')
        c.send(queue, b'one')
        c.answer('nack', c.message('one'))
        again = c.message('one')
        assert again.headers['redelivered'] == 'true' and again.headers['delivery-count'] == '2', again.headers
        c.answer('nack', again, requeue='false')
        c.nothing()


@feature('transactions')
def transactions(broker, way):
    queue = unique('/queue/orders.')
    with Client(way, broker) as c, Client(way, broker) as reader:
        reader.subscribe(queue)
        for end in ('abort', 'commit'):
            c.connection.begin(end)
            c.connection.send(queue, end.encode(), transaction=end)
            getattr(c.connection, end)(end, receipt=end)
            c.receipt(end)
        reader.message('commit')
        reader.nothing()


@feature('heart-beats')
def heart_beats(broker, way):
    with Client(way, broker, connect=False, heartbeats=(2000, 2000)) as c:
        assert c.connect()['heart-beat'] == '2000,2000'
        for _ in range(3):  # longer than either side tolerates silence
            c.next('heart-beat')
        c.send('/topic/after', b'x')
        assert c.connection.is_connected()


@feature('binary bodies')
def binary(broker, way):
    topic = unique('/topic/bytes.')
    options = {'binary_mode': True} if 'WebSocket' in way else {}  # text that is not UTF-8 would be refused
    with Client(way, broker, auto_decode=False, **options) as c:
        c.subscribe(topic)
        for body in (bytes(range(256)), b'\0', b'\xff\xfe', b'\n', b'x' * 300_000):
            c.send(topic, body, content_type='application/octet-stream')
            assert c.message(body).headers['content-type'] == 'application/octet-stream'


@feature('text that is not ASCII')
def text(broker, way):
    topic = unique('/topic/text.')
    with Client(way, broker) as c:
        c.subscribe(topic)
        c.send(topic, 'grüße, €, 😀'.encode(), kind='ä')
        assert c.message('grüße, €, 😀').headers['kind'] == 'ä'


@feature('text as str')
def text_as_str(broker, way):
    topic = unique('/topic/text.')
    with Client(way, broker) as c:
        c.subscribe(topic)
        c.connection.send(topic, 'grüße, €, 😀')
        c.message('grüße, €, 😀')


@feature('durable subscription')
def durable(broker, way):
    topic, me = unique('/topic/durable.'), {'client-id': unique('client-')}
    name = {'activemq.subscriptionName': 'mine'}
    with Client(way, broker, me) as c:
        c.subscribe(topic, **name)
    with Client(way, broker) as c:
        c.send(topic, b'while away')
    with Client(way, broker, me) as c:
        subscription = c.subscribe(topic, **name)
        c.message('while away')
        c.connection.unsubscribe(id=subscription, receipt='deleted', headers=name)
        c.receipt('deleted')
    with Client(way, broker, me) as c:
        c.send(topic, b'to nobody')
        c.subscribe(topic, **name)
        c.nothing()


@feature('unknown destination, then connected again')
def unknown_destination(broker, way):
    with Client(way, broker) as c:
        c.connection.send('/nowhere/x', b'x')
        assert '/topic/' in c.ended('unknown-destination')
        c.connect()
        c.send('/topic/x', b'x')


@feature('too large message, then connected again')
def too_large(_, way):
    with Broker(limits_frame_body_bytes='64KiB') as broker, Client(way, broker) as c:
        c.send('/topic/x', b'x' * 65536)
        c.connection.send('/topic/x', b'x' * 65537)
        assert 'limits.frame_body_bytes' in c.ended('frame-too-large')
        c.connect()
        c.send('/topic/x', b'x')


@feature('refused subscription')
def refused(_, way):
    with Broker(RULES) as broker, Client(way, broker, {'Authorization': f'Bearer {token("ada")}'}) as c:
        c.connection.subscribe('/topic/secret', id='1')
        assert '/topic/secret' in c.ended('access-denied')
        c.connect()
        c.subscribe('/topic/open.x')


@feature('refused subscription, connection kept')
def refused_and_kept(_, way):
    config = {**RULES, 'auth': {**RULES['auth'], 'on_denied_subscribe': 'receipt-error'}}
    with Broker(config) as broker, Client(way, broker, {'passcode': token('ada')}) as c:
        c.connection.subscribe('/topic/secret', id='1', receipt='r')
        headers = c.next('ERROR').headers
        assert headers['message'] == 'access-denied' and headers['receipt-id'] == 'r', headers
        c.nothing()


@feature('expired token, then a new one')
def expired(_, way):
    with Broker(RULES) as broker, Client(way, broker, {'Authorization': f'Bearer {token("ada", -60)}'}, connect=False) as c:
        try:
            c.connection.connect(headers=dict(c.headers), wait=True)
            raise AssertionError('it has connected')
        except stomp.exception.ConnectFailedException:
            pass
        c.ended('authentication-failed')
        c.headers = {'Authorization': f'Bearer {token("ada", 2)}'}
        c.connect()
        c.ended('token-expired')
        c.headers = {'Authorization': f'Bearer {token("ada")}'}
        c.connect()
        c.nothing()


@feature('broker goes away and comes back')
def restart(_, way):
    with Broker(storage_directory='data') as broker, Client(way, broker) as c:
        c.send('/queue/kept', b'before')
        broker.stop()
        c.next('end')
        try:
            c.connection.connect(wait=True)
            raise AssertionError('it has connected to nobody')
        except stomp.exception.ConnectFailedException:
            pass
        broker.start()
        c.connect()
        c.subscribe('/queue/kept')
        c.message('before')
