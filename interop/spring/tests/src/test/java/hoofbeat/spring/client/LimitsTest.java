package hoofbeat.spring.client;

import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Inbox;
import hoofbeat.spring.support.Peer;
import jakarta.websocket.WebSocketContainer;
import java.lang.reflect.Type;
import org.apache.tomcat.websocket.WsWebSocketContainer;
import org.eclipse.jetty.ee11.websocket.jakarta.client.JakartaWebSocketClientContainer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.springframework.messaging.converter.JacksonJsonMessageConverter;
import org.springframework.messaging.simp.stomp.StompCommand;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.messaging.simp.stomp.StompSessionHandlerAdapter;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;

/** The view of an application with Spring's default settings. */
@DisplayName("WebSocketStompClient with its defaults")
class LimitsTest {
    private static Hoofbeat broker;

    @BeforeAll
    static void start() {
        broker = Hoofbeat.start("auth: { anonymous: true }\n");
    }

    @AfterAll
    static void stop() {
        broker.close();
    }

    private static WebSocketStompClient client(WebSocketContainer container) {
        return Clients.setUp(new WebSocketStompClient(new StandardWebSocketClient(container)));
    }

    /** Sends a message that the client will not accept, and returns the client. */
    private static Peer overwhelmed(WebSocketStompClient client, int size) {
        Peer peer = Peer.connect(Clients.over(client, broker.webSocket()), new StompHeaders());
        peer.subscribe("/topic/large");
        peer.session().send("/topic/large", "x".repeat(size));
        return peer;
    }

    @Test
    @DisplayName("over 8 KiB to Tomcat's buffer: the connection ends, and the application is told")
    void tomcatBuffer() {
        Peer peer = overwhelmed(client(new WsWebSocketContainer()), 10 << 10);
        peer.lost();
        assertThat(peer.session().isConnected()).isFalse();
    }

    @Test
    @DisplayName("over 64 KiB to Jetty's buffer: the connection ends, and the application is told")
    void jettyBuffer() throws Exception {
        JakartaWebSocketClientContainer container = new JakartaWebSocketClientContainer();
        container.start();
        try {
            Peer peer = overwhelmed(client(container), 70 << 10);
            peer.lost();
            assertThat(peer.session().isConnected()).isFalse();
        } finally {
            container.stop();
        }
    }

    @Test
    @DisplayName("over inboundMessageSizeLimit: a transport error, the connection stays, as Spring wants it")
    void springLimit() {
        WsWebSocketContainer container = new WsWebSocketContainer();
        container.setDefaultMaxTextMessageBufferSize(1 << 20);
        Peer peer = overwhelmed(client(container), 70 << 10);
        assertThat(peer.failures.next()).hasMessageContaining("65536");
        assertThat(peer.session().isConnected()).isTrue();
        peer.close();
    }

    @Test
    @DisplayName("an ERROR where only JSON is converted: handleException, with the ERROR's headers")
    void jacksonAlone() {
        record Seen(StompCommand command, String word, String body) {}
        Inbox<Seen> seen = new Inbox<>("an exception");
        WebSocketStompClient client = client(new WsWebSocketContainer());
        client.setMessageConverter(new JacksonJsonMessageConverter());
        client.connectAsync(broker.webSocket(), new StompSessionHandlerAdapter() {
            @Override
            public void afterConnected(StompSession session, StompHeaders headers) {
                session.subscribe("/nowhere", this);
            }

            @Override
            public Type getPayloadType(StompHeaders headers) {
                return String.class;
            }

            @Override
            public void handleException(StompSession session, StompCommand command, StompHeaders headers, byte[] payload, Throwable exception) {
                seen.put(new Seen(command, headers.getFirst("message"), new String(payload)));
            }
        });
        Seen got = seen.next();
        assertThat(got.command()).isEqualTo(StompCommand.ERROR);
        assertThat(got.word()).isEqualTo("unknown-destination");
        assertThat(got.body()).contains("/nowhere");
    }
}
