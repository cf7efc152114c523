package hoofbeat.spring.examples;

import static hoofbeat.spring.support.Peer.to;
import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Inbox;
import hoofbeat.spring.support.Peer;
import hoofbeat.spring.support.Ports;
import java.time.Duration;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;

@DisplayName("examples/spring/relay")
class RelayExampleTest {
    @Test
    @DisplayName("serves its page, greets, whispers, and comes back after a restart of the broker")
    @SuppressWarnings("rawtypes")
    void relay() throws Exception {
        int port = Ports.free();
        try (Hoofbeat broker = Hoofbeat.start(Program.brokerConfiguration("relay"));
                Program application = new Program("relay", port, "/", "--broker.port=" + broker.tcpPort())) {
            assertThat(application.get("/", null).body()).contains("/webjars/stomp__stompjs/bundles/stomp.umd.min.js");
            assertThat(application.get("/webjars/stomp__stompjs/bundles/stomp.umd.min.js", null).body()).contains("StompJs");

            var client = Clients.setUp(new WebSocketStompClient(new StandardWebSocketClient()));
            Peer.Connector connector = Clients.over(client, "ws://127.0.0.1:" + port + "/ws");
            for (boolean restarted : new boolean[] {false, true}) {
                Peer peer = Awaitility.await().atMost(Duration.ofSeconds(20)).ignoreExceptionsMatching(AssertionError.class::isInstance)
                        .until(() -> Peer.connect(connector, new StompHeaders()), p -> true);
                var greetings = peer.subscribe(to("/topic/greetings"), Map.class);
                var whispers = new Inbox<Peer.Received<Map>>("a whisper");
                peer.subscribe(to("/user/queue/whispers"), Map.class, whispers);
                peer.session().send("/app/greet", Map.of("name", "Ada"));
                assertThat(greetings.next().body()).containsEntry("text", "Hello, Ada!");
                peer.session().send("/app/whisper", Map.of("name", "Ada"));
                assertThat(whispers.next().body()).containsEntry("text", "Hello, Ada, nobody else hears this.");
                if (!restarted) {
                    broker.stop();
                    peer.lost();
                    broker.launch();
                }
                peer.close();
            }
        }
    }
}
