package hoofbeat.spring.relay;

import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.relay.RelayApplication.Running;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Inbox;
import hoofbeat.spring.support.Peer;
import hoofbeat.spring.support.Peer.Received;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;

@DisplayName("Spring broker relay")
class RelayCrowdTest {
    private static final int CLIENTS = 500;
    private static final int MESSAGE_LIMIT = 16 << 10;

    // Each client has its own TCP connection to the broker, topic and queue. All log in at once, with a passcode that
    // is slow to check.
    @Test
    @DisplayName("500 clients at once")
    void crowd() {
        try (Hoofbeat broker = Hoofbeat.start(Relays.CONFIGURATION);
                Running application = Running.start(broker, MESSAGE_LIMIT)) {
            assertThat(application.availability().next()).isTrue();
            List<Peer> peers = new ArrayList<>();
            List<CompletableFuture<StompSession>> sessions = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                Peer peer = new Peer();
                peers.add(peer);
                sessions.add(Relays.client(application, "user" + i, MESSAGE_LIMIT).connect(new StompHeaders(), peer));
            }
            assertThat(refusals(peers, sessions)).as("what clients were refused with").isEmpty();
            for (int i = 0; i < CLIENTS; i++) {
                peers.get(i).connected(sessions.get(i));
            }
            assertThat(application.availability().waiting()).isEmpty();
            var topics = peers.stream().map(peer -> peer.subscribe("/topic/crowd")).toList();
            List<Inbox<Received<String>>> own = peers.stream().map(peer -> peer.subscribe("/user/queue/own")).toList();
            assertThat(broker.queues()).hasSize(CLIENTS);

            application.template().convertAndSend("/topic/crowd", "all");
            assertThat(topics).allSatisfy(inbox -> assertThat(inbox.next().body()).isEqualTo("all"));
            IntStream.range(0, CLIENTS).forEach(i -> application.template().convertAndSendToUser("user" + i, "/queue/own", "for " + i));
            for (int i = 0; i < CLIENTS; i++) {
                assertThat(own.get(i).next().body()).isEqualTo("for " + i);
            }

            peers.forEach(Peer::close);
            Awaitility.await().atMost(Duration.ofSeconds(Inbox.PATIENCE)).untilAsserted(() -> assertThat(broker.queues()).isEmpty());
        }
    }

    /** Waits until each client is connected or refused, and counts the refusals by their error. */
    private static Map<String, Integer> refusals(List<Peer> peers, List<CompletableFuture<StompSession>> sessions) {
        CompletableFuture<?> all = CompletableFuture.allOf(sessions.stream().map(s -> s.handle((session, fault) -> null)).toArray(CompletableFuture[]::new));
        assertThat(all).as("everybody is connected or refused").succeedsWithin(Duration.ofSeconds(30));
        Map<String, Integer> counts = new TreeMap<>();
        for (int i = 0; i < CLIENTS; i++) {
            if (sessions.get(i).isCompletedExceptionally()) {
                counts.merge(peers.get(i).refusals.waiting().stream().findFirst().map(Peer.Refusal::word).orElse("nothing"), 1, Integer::sum);
            }
        }
        return counts;
    }
}
