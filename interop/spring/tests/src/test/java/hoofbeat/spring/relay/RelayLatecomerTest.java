package hoofbeat.spring.relay;

import static hoofbeat.spring.support.Peer.to;
import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.relay.RelayApplication.Running;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Peer;
import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.springframework.messaging.simp.stomp.StompHeaders;

@DisplayName("Spring broker relay, user queues")
class RelayLatecomerTest {
    private static final String EXPIRING = """
            destinations:
              - { match: "/queue/*-user*", durable: false, ttl: 1s }
            """;

    @Test
    @DisplayName("a message for a user who has just gone leaves no queue for long")
    void latecomer() {
        try (Hoofbeat broker = Hoofbeat.start(Relays.CONFIGURATION + EXPIRING);
                Running one = Running.start(broker);
                Running two = Running.start(broker)) {
            assertThat(one.availability().next()).isTrue();
            assertThat(two.availability().next()).isTrue();
            Peer kate = Peer.connect(Relays.client(two, "kate"), new StompHeaders());
            kate.subscribe(to("/user/queue/late"), String.class);
            String queue = broker.queues().get(0);
            // The other instance considers kate connected for another 10 s.
            Awaitility.await().atMost(Duration.ofSeconds(15)).until(() -> one.users().getUser("kate") != null);
            kate.session().disconnect();
            Awaitility.await().atMost(Duration.ofSeconds(20)).until(() -> !broker.queues().contains(queue));
            one.template().convertAndSendToUser("kate", "/queue/late", "too late");
            var fence = Peer.connect(Relays.client(one, "fence"), new StompHeaders()).subscribe("/topic/fence");
            one.template().convertAndSend("/topic/fence", "behind it");
            fence.next();
            Awaitility.await().atMost(Duration.ofSeconds(10)).untilAsserted(() -> assertThat(broker.queues()).isEmpty());
        }
    }
}
