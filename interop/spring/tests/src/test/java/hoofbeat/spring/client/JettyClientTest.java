package hoofbeat.spring.client;

import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Peer;
import java.util.function.Consumer;
import org.eclipse.jetty.ee11.websocket.jakarta.client.JakartaWebSocketClientContainer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.springframework.messaging.simp.stomp.StompClientSupport;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;

/** Spring 7 has no Jetty client of its own; Jetty is used through the standard interface. */
@DisplayName("WebSocketStompClient on Jetty")
class JettyClientTest extends ClientContract {
    private final JakartaWebSocketClientContainer container = new JakartaWebSocketClientContainer();

    @BeforeAll
    void startJetty() throws Exception {
        container.setDefaultMaxTextMessageBufferSize(2 * BODY_LIMIT);
        container.setDefaultMaxBinaryMessageBufferSize(2 * BODY_LIMIT);
        container.start();
    }

    @AfterAll
    void stopJetty() throws Exception {
        container.stop();
    }

    @Override
    Peer.Connector connector(Hoofbeat broker, Consumer<StompClientSupport> setting) {
        var client = Clients.setUp(new WebSocketStompClient(new StandardWebSocketClient(container)));
        client.setInboundMessageSizeLimit(2 * BODY_LIMIT);
        setting.accept(client);
        return Clients.over(client, broker.webSocket());
    }
}
