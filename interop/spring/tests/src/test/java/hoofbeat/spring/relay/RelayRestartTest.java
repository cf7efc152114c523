package hoofbeat.spring.relay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hoofbeat.spring.relay.RelayApplication.Running;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Inbox;
import hoofbeat.spring.support.Peer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.springframework.messaging.MessageDeliveryException;
import org.springframework.messaging.simp.stomp.StompHeaders;

@DisplayName("Spring broker relay, the broker away")
@Execution(ExecutionMode.CONCURRENT)
class RelayRestartTest {
    @Test
    @DisplayName("killed and started again: false, then true, messages flow")
    void restart() {
        try (Hoofbeat broker = Hoofbeat.start(Relays.CONFIGURATION);
                Running application = Running.start(broker)) {
            assertThat(application.availability().next()).isTrue();
            Peer before = Peer.connect(Relays.client(application, "ada"), new StompHeaders());
            application.template().convertAndSend("/queue/kept", "kept");
            Peer other = Peer.connect(Relays.client(application, "ben"), new StompHeaders());
            other.send("/queue/stored", "has a receipt");

            broker.kill();
            assertThat(application.availability().next()).isFalse();
            assertThat(before.refusals.next().word()).contains("broker");
            before.lost();
            assertThatThrownBy(() -> application.template().convertAndSend("/topic/a", "lost")).isInstanceOf(MessageDeliveryException.class);
            Peer refused = Peer.refused(Relays.client(application, "ada"), new StompHeaders());
            assertThat(refused.refusals.next().word()).isNotBlank();

            broker.launch();
            assertThat(application.availability().next()).isTrue();
            Peer after = Peer.connect(Relays.client(application, "ada"), new StompHeaders());
            var own = new Inbox<Peer.Received<String>>("a MESSAGE for ada");
            after.subscribe(Peer.to("/user/queue/own"), String.class, own);
            assertThat(after.subscribe("/queue/stored").next().body()).isEqualTo("has a receipt");
            var topic = after.subscribe("/topic/a");
            application.template().convertAndSend("/topic/a", "back");
            assertThat(topic.next().body()).isEqualTo("back");
            application.template().convertAndSendToUser("ada", "/queue/own", "yours");
            assertThat(own.next().body()).isEqualTo("yours");
            after.close();
        }
    }

    @Test
    @DisplayName("started before the broker: available when that comes")
    void earlier() {
        try (Hoofbeat broker = Hoofbeat.start(Relays.CONFIGURATION)) {
            broker.stop();
            try (Running application = Running.start(broker)) {
                Peer refused = Peer.refused(Relays.client(application, "ada"), new StompHeaders());
                assertThat(refused.refusals.next().word()).isNotBlank();
                broker.launch();
                assertThat(application.availability().next()).isTrue();
            }
        }
    }

    @Test
    @DisplayName("frozen: noticed by its heart-beats, and back")
    void frozen() throws Exception {
        try (Hoofbeat broker = Hoofbeat.start(Relays.CONFIGURATION);
                Running application = Running.start(broker)) {
            assertThat(application.availability().next()).isTrue();
            broker.freeze(true);
            assertThat(application.availability().next()).isFalse();
            broker.freeze(false);
            assertThat(application.availability().next()).isTrue();
        }
    }

    @Test
    @DisplayName("a bad SEND of the application's own: false, then true")
    void badSend() {
        try (Hoofbeat broker = Hoofbeat.start(Relays.CONFIGURATION); Running application = Running.start(broker)) {
            assertThat(application.availability().next()).isTrue();
            Peer bystander = Peer.connect(Relays.client(application, "ada"), new StompHeaders());
            var inbox = bystander.subscribe("/topic/a");
            application.template().convertAndSend("/nowhere/a", "x");
            assertThat(application.availability().next()).isFalse();
            assertThat(application.availability().next()).isTrue();
            application.template().convertAndSend("/topic/a", "back");
            assertThat(inbox.next().body()).isEqualTo("back");
            bystander.close();
        }
    }

    @Test
    @DisplayName("a wrong passcode: clients are told, and it is mended without a restart")
    void wrongPasscode() throws Exception {
        String wrong = Relays.CONFIGURATION.replace("name: relay,", "name: another,");
        try (Hoofbeat broker = Hoofbeat.start(wrong); Running application = Running.start(broker)) {
            Peer refused = Peer.refused(Relays.client(application, "ada"), new StompHeaders());
            assertThat(refused.refusals.next().word()).isNotBlank();
            assertThat(application.availability().waiting()).doesNotContain(true);
            broker.configure(Relays.CONFIGURATION);
            while (!application.availability().next()) {
                // Each refused attempt ends with false.
            }
            Peer.connect(Relays.client(application, "ada"), new StompHeaders()).close();
        }
    }
}
