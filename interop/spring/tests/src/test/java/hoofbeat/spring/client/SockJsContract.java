package hoofbeat.spring.client;

import static hoofbeat.spring.support.Peer.await;
import static hoofbeat.spring.support.Peer.receipt;
import static hoofbeat.spring.support.Peer.to;
import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Peer;
import hoofbeat.spring.support.Peer.Received;
import java.time.Duration;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.web.socket.messaging.WebSocketStompClient;
import org.springframework.web.socket.sockjs.client.SockJsClient;
import org.springframework.web.socket.sockjs.client.Transport;

/** Features of Spring's SockJsClient over each of its transports. SockJS carries text only. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class SockJsContract {
    private static final String CONFIGURATION = """
            auth: { anonymous: true, anonymous_roles: [guest] }
            acl:
              - { name: everything, allow: [send, subscribe], destinations: ["/topic/**", "/queue/**"] }
              - { name: secrets, deny: [subscribe], destinations: ["/topic/secret.**"] }
            heartbeat: { min: 100ms }
            limits: { drain_timeout: 2s }
            """;

    private Hoofbeat broker;

    abstract Transport transport();

    @BeforeAll
    void startBroker() {
        broker = Hoofbeat.start(CONFIGURATION);
    }

    @AfterAll
    void stopBroker() {
        broker.close();
    }

    private Peer connect(StompHeaders headers) {
        var client = Clients.setUp(new WebSocketStompClient(new SockJsClient(List.of(transport()))));
        client.setInboundMessageSizeLimit(1 << 20);
        return Peer.connect(Clients.over(client, broker.webSocket().replaceFirst("^ws", "http")), headers);
    }

    private Peer connect() {
        return connect(new StompHeaders());
    }

    @Test
    @DisplayName("publish and subscribe, texts and JSON")
    void messages() {
        try (Peer peer = connect()) {
            var texts = peer.subscribe("/topic/texts");
            peer.send("/topic/texts", "Hufeisen \u00fc \uD83D\uDC0E \"quoted\" \\ \n end");
            assertThat(texts.next().body()).isEqualTo("Hufeisen \u00fc \uD83D\uDC0E \"quoted\" \\ \n end");
            var orders = peer.subscribe(to("/topic/json"), ClientContract.Order.class);
            ClientContract.Order order = new ClientContract.Order("two", 2, List.of("a"));
            peer.send("/topic/json", order);
            assertThat(orders.next().body()).isEqualTo(order);
        }
    }

    @Test
    @DisplayName("many messages, in order, and large ones")
    void many() {
        try (Peer peer = connect()) {
            var inbox = peer.subscribe("/topic/many");
            for (int i = 0; i < 200; i++) {
                peer.session().send("/topic/many", "number " + i);
            }
            for (int i = 0; i < 200; i++) {
                assertThat(inbox.next().body()).isEqualTo("number " + i);
            }
            String large = "\u00fc".repeat(100 << 10);
            peer.send("/topic/many", large);
            assertThat(inbox.next().body().equals(large)).isTrue();
        }
    }

    @Test
    @DisplayName("receipts, nack and redelivery")
    void nack() {
        try (Peer peer = connect()) {
            StompHeaders subscribe = to("/queue/nack");
            subscribe.setAck("client-individual");
            var inbox = peer.subscribe(subscribe, String.class);
            peer.send("/queue/nack", "again");
            await(receipt(peer.session().acknowledge(inbox.next().headers().getAck(), false)));
            Received<String> again = inbox.next();
            assertThat(again.headers().getFirst("redelivered")).isEqualTo("true");
            await(receipt(peer.session().acknowledge(again.headers().getAck(), true)));
        }
    }

    @Test
    @DisplayName("an idle connection lives by its heart-beats")
    void idle() {
        StompHeaders headers = new StompHeaders();
        headers.setHeartbeat(new long[] {2000, 2000});
        try (Peer peer = connect(headers)) {
            var inbox = peer.subscribe("/topic/idle");
            Awaitility.await().during(Duration.ofSeconds(8)).atMost(Duration.ofSeconds(20)).until(() -> peer.session().isConnected() && peer.failures.waiting().isEmpty());
            peer.send("/topic/idle", "alive");
            assertThat(inbox.next().body()).isEqualTo("alive");
        }
    }

    @Test
    @DisplayName("a refused subscription is an ERROR that the application sees")
    void refused() {
        Peer peer = connect();
        peer.session().subscribe("/topic/secret.a", peer);
        assertThat(peer.refusals.next().word()).isEqualTo("access-denied");
        peer.lost();
        try (Peer again = connect()) {
            var inbox = again.subscribe("/topic/open");
            again.send("/topic/open", "back");
            assertThat(inbox.next().body()).isEqualTo("back");
        }
    }
}
