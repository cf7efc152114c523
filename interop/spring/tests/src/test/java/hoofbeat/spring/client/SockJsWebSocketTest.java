package hoofbeat.spring.client;

import org.apache.tomcat.websocket.WsWebSocketContainer;
import org.junit.jupiter.api.DisplayName;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.sockjs.client.Transport;
import org.springframework.web.socket.sockjs.client.WebSocketTransport;

@DisplayName("SockJsClient over WebSocket")
class SockJsWebSocketTest extends SockJsContract {
    @Override
    Transport transport() {
        WsWebSocketContainer container = new WsWebSocketContainer();
        container.setDefaultMaxTextMessageBufferSize(1 << 20);
        return new WebSocketTransport(new StandardWebSocketClient(container));
    }
}
