// sockjs-client with @stomp/stompjs through nginx and HAProxy, in front of two brokers: all requests of a session
// reach the same one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';

import { proxies, startBeforeTwo, clientAddress, until } from './lib/proxy.js';
import { sockJS } from './lib/sockjs.js';
import { connect, unique } from './lib/stompjs.js';
import { within } from './lib/wait.js';

/** Starts two brokers and a proxy, which end with the test. */
async function startTwo(t, Kind) {
  const { brokers, proxy } = await startBeforeTwo(t, Kind);
  return { brokers, proxy, url: proxy.url('ws', '/broker').replace('ws:', 'http:') };
}

async function post(url, localAddress, body = '') {
  const r = request(url, { method: 'POST', localAddress, headers: { 'content-type': 'text/plain' } });
  r.end(body);
  const [response] = await within(once(r, 'response'), url);
  return { status: response.statusCode, text: await within(text(response), url) };
}

const CONNECT = JSON.stringify(['CONNECT\naccept-version:1.2\nhost:x\n\n\0']);

describe('SockJS through proxies', { concurrency: 2 }, () => {
  for (const Kind of proxies) {
    test(`${Kind.title}, two brokers: each transport of sockjs-client`, { skip: Kind.skip }, async (t) => {
      const { brokers, url } = await startTwo(t, Kind);
      for (const transport of ['xhr-streaming', 'xhr-polling', 'websocket']) {
        const clients = await Promise.all(Array.from({ length: 8 }, () =>
          connect(t, url, { webSocketFactory: () => sockJS(url, [transport]) })));
        await Promise.all(clients.map(async (c) => {
          const topic = unique('/topic/sockjs.');
          const inbox = await c.subscribe(topic);
          for (let i = 0; i < 3; i++) {
            c.send(topic, `message ${i}`);
            assert.equal((await inbox.next()).body, `message ${i}`);
          }
        }));
      }
      for (const b of brokers) {
        assert.match(b.log, /connection opened/, 'both have had some');
      }
    });

    test(`${Kind.title}: a large body in one request`, { skip: Kind.skip }, async (t) => {
      const { url } = await startTwo(t, Kind);
      const c = await connect(t, url, { webSocketFactory: () => sockJS(url, ['xhr-streaming']) });
      const inbox = await c.subscribe('/topic/large');
      const body = 'größe '.repeat(1 << 19);
      c.send('/topic/large', body);
      assert.ok((await inbox.next()).body === body);
    });

    test(`${Kind.title}: a session belongs to its client's network, not to the proxy's`, { skip: Kind.skip }, async (t) => {
      const { brokers, url } = await startTwo(t, Kind);
      for (let i = 0; i < 6; i++) {
        const [home, stranger] = [clientAddress(), clientAddress()];
        const neighbour = home.replace(/1$/, '2'); // as through a second proxy on the client's side
        const session = `${url}/000/${unique('session')}`;
        assert.deepEqual(await post(`${session}/xhr`, home), { status: 200, text: 'o\n' });
        assert.equal((await post(`${session}/xhr_send`, home, CONNECT)).status, 204);
        assert.deepEqual(await post(`${session}/xhr`, stranger), { status: 200, text: 'o\n' });
        assert.match((await post(`${session}/xhr`, neighbour)).text, /^a\["CONNECTED/);
        await until('it is logged', () => brokers.some((b) => b.log.includes(`remote=${home}:`)));
      }
    });
  }
});
