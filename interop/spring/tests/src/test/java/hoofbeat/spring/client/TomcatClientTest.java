package hoofbeat.spring.client;

import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Peer;
import java.util.function.Consumer;
import org.apache.tomcat.websocket.WsWebSocketContainer;
import org.junit.jupiter.api.DisplayName;
import org.springframework.messaging.simp.stomp.StompClientSupport;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;

@DisplayName("WebSocketStompClient on Tomcat")
class TomcatClientTest extends ClientContract {
    private static final WsWebSocketContainer CONTAINER = new WsWebSocketContainer();

    @Override
    Peer.Connector connector(Hoofbeat broker, Consumer<StompClientSupport> setting) {
        CONTAINER.setDefaultMaxTextMessageBufferSize(2 * BODY_LIMIT);
        CONTAINER.setDefaultMaxBinaryMessageBufferSize(2 * BODY_LIMIT);
        var client = Clients.setUp(new WebSocketStompClient(new StandardWebSocketClient(CONTAINER)));
        client.setInboundMessageSizeLimit(2 * BODY_LIMIT);
        setting.accept(client);
        return Clients.over(client, broker.webSocket());
    }
}
