package hoofbeat.spring.client;

import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Peer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.springframework.messaging.simp.stomp.ReactorNettyTcpStompClient;
import org.springframework.messaging.simp.stomp.StompClientSupport;

@DisplayName("ReactorNettyTcpStompClient")
class TcpClientTest extends ClientContract {
    private final List<ReactorNettyTcpStompClient> clients = new ArrayList<>();

    @AfterAll
    void shutDown() {
        clients.forEach(ReactorNettyTcpStompClient::shutdown);
    }

    @Override
    Peer.Connector connector(Hoofbeat broker, Consumer<StompClientSupport> setting) {
        var client = Clients.setUp(new ReactorNettyTcpStompClient("127.0.0.1", broker.tcpPort()));
        clients.add(client);
        setting.accept(client);
        return client::connectAsync;
    }
}
