package hoofbeat.spring.examples;

import static hoofbeat.spring.support.Peer.to;
import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Inbox;
import hoofbeat.spring.support.Peer;
import hoofbeat.spring.support.Peer.Received;
import hoofbeat.spring.support.Ports;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.springframework.boot.json.JsonParserFactory;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;

@DisplayName("examples/spring/direct")
class DirectExampleTest {
    private final int port = Ports.free();

    @Test
    @DisplayName("tokens for who has logged in, orders answered, tokens refreshed, application and broker restarted")
    void direct() throws Exception {
        var settings = Map.of("HOOFBEAT_AUTH_JWT_JWKS_URL", "http://127.0.0.1:" + port + "/jwks.json", "HOOFBEAT_AUTH_JWT_LEEWAY", "0s");
        try (Hoofbeat broker = Hoofbeat.prepare(Program.brokerConfiguration("direct"), settings)) {
            try (Program application = start(broker, "8s")) {
                broker.launch(); // now that the keys are available
                servesItsPage(application);
                application.awaitOutput("connected to hoofbeat"); // from now on, its durable subscription keeps orders
                Customer ada = new Customer(application, broker);
                ada.orders("two horseshoes");
                ada.accepted("two horseshoes");

                // The page does not refresh its token and is disconnected; the application does and stays.
                assertThat(ada.peer.refusals.next().word()).isEqualTo("token-expired");
                ada = new Customer(application, broker);
                ada.orders("a saddle");
                ada.accepted("a saddle");
                assertThat(application.output()).containsOnlyOnce("connected to hoofbeat").doesNotContain("token-expired");
                ada.isRefused("/queue/inbox.ben");

                broker.stop();
                broker.launch();
                ada = new Customer(application, broker);
                ada.orders("a bit");
                ada.accepted("a bit");
                application.awaitOutput("Connection closed"); // the reason for its new attempt
                ada.peer.close();
            }
            // Each start of the application makes a new key, which the broker fetches when it sees a token signed
            // with it.
            Customer ada;
            try (Program application = start(broker, "10m")) {
                ada = new Customer(application, broker);
                ada.orders("a bridle");
                ada.accepted("a bridle");
            }
            // A session ends when its token's key is removed, so she disconnects before the application returns with
            // a new key.
            ada.orders("while you were away");
            ada.peer.close();
            try (Program application = start(broker, "10m")) {
                // The broker limits how often it fetches keys; a page tries again as well.
                ada = org.awaitility.Awaitility.await().atMost(java.time.Duration.ofSeconds(40)).ignoreExceptions()
                        .until(() -> new Customer(application, broker), java.util.Objects::nonNull);
                ada.accepted("while you were away");
            }
            ada.peer.close();
        }
    }

    private Program start(Hoofbeat broker, String lifetime) throws Exception {
        return new Program("direct", port, "/jwks.json",
                "--broker.port=" + broker.tcpPort(), "--broker.url=" + broker.webSocket(), "--broker.token-lifetime=" + lifetime);
    }

    private static void servesItsPage(Program application) {
        assertThat(application.get("/token", null).statusCode()).isIn(302, 401);
        assertThat(application.get("/", "ada").body()).contains("/webjars/stomp__stompjs/bundles/stomp.umd.min.js");
        assertThat(application.get("/webjars/stomp__stompjs/bundles/stomp.umd.min.js", "ada").body()).contains("StompJs");
    }

    /** Ada, with the behaviour of her page. */
    private static final class Customer {
        final Peer peer;
        private final Inbox<Received<String>> inbox;

        Customer(Program application, Hoofbeat broker) {
            var ticket = JsonParserFactory.getJsonParser().parseMap(application.get("/token", "ada").body());
            assertThat(ticket).containsEntry("user", "ada").containsEntry("url", broker.webSocket());
            var client = Clients.setUp(new WebSocketStompClient(new StandardWebSocketClient()));
            peer = Peer.connect(Clients.over(client, broker.webSocket()), Clients.bearer((String) ticket.get("token")));
            inbox = peer.subscribe("/queue/inbox.ada");
        }

        void orders(String order) {
            peer.send("/topic/orders.ada", order);
        }

        /**
         * Waits for the answer. The answer to an earlier order may come again: the application answers before it
         * acknowledges, so delivery is at least once.
         */
        void accepted(String order) {
            for (String got = null; !("Accepted: " + order).equals(got); ) {
                got = inbox.next().body();
                assertThat(got).startsWith("Accepted: ");
            }
        }

        void isRefused(String destination) {
            peer.session().subscribe(to(destination), peer);
            assertThat(peer.refusals.next().word()).isEqualTo("access-denied");
            peer.lost();
        }
    }
}
