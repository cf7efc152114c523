package hoofbeat.spring.relay;

import hoofbeat.spring.relay.RelayApplication.Running;
import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Peer;
import org.apache.tomcat.websocket.WsWebSocketContainer;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;

/** The common part of the relay tests. */
final class Relays {
    static final String PASSCODE = "relay-secret";
    static final int BODY_LIMIT = (1 << 20) + (1 << 10);

    /** The hash belongs to PASSCODE, made with hoofbeat users hash. */
    static final String CONFIGURATION = """
            auth:
              users:
                - { name: relay, hash: "$2a$12$ceLKfEiOOptFymfEUv3koej4RLgrnFXzaUhjDYvLyrjZW8KGXf7nS", roles: [relay] }
            acl:
              - { name: the application does everything, roles: [relay], allow: [send, subscribe], destinations: ["/topic/**", "/queue/**"] }
              - { name: secrets, deny: [subscribe], destinations: ["/topic/secret.**"] }
            heartbeat: { min: 100ms }
            limits: { frame_body_bytes: 1025KiB, drain_timeout: 2s }
            """;

    private Relays() {}

    /** A client of an application's endpoint. */
    static Peer.Connector client(Running application, String user) {
        return client(application, user, RelayApplication.MESSAGE_LIMIT);
    }

    /** A client with buffers of this size; Tomcat allocates them for each connection at once. */
    static Peer.Connector client(Running application, String user, int limit) {
        WsWebSocketContainer container = new WsWebSocketContainer();
        container.setDefaultMaxTextMessageBufferSize(limit);
        container.setDefaultMaxBinaryMessageBufferSize(limit);
        var client = Clients.setUp(new WebSocketStompClient(new StandardWebSocketClient(container)));
        client.setInboundMessageSizeLimit(limit);
        return Clients.over(client, application.url(user));
    }
}
