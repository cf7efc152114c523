package hoofbeat.spring.relay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import hoofbeat.spring.relay.RelayApplication.Running;
import hoofbeat.spring.support.Guard;
import hoofbeat.spring.support.Hoofbeat;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Spring broker relay")
class RelayStompJsTest {
    private static final Path SCRIPT = Path.of("../stompjs.mjs");

    @Test
    @DisplayName("stomp.js: heart-beats, own queue, binary, nack, ack, deactivate")
    void stompJs() throws Exception {
        assumeTrue(Files.exists(Path.of("../../node_modules/@stomp/stompjs")), "npm ci in interop comes before");
        try (Hoofbeat broker = Hoofbeat.start(Relays.CONFIGURATION); Running application = Running.start(broker)) {
            assertThat(application.availability().next()).isTrue();
            Path output = Files.createTempFile("hoofbeat-stompjs-", ".log");
            Process node = new ProcessBuilder("node", SCRIPT.toString(), application.url("js"))
                    .redirectErrorStream(true).redirectOutput(output.toFile()).start();
            Process guard = Guard.over(node);
            try {
                assertThat(node.waitFor(40, TimeUnit.SECONDS)).as("it ends").isTrue();
                assertThat(node.exitValue()).as(Files.readString(output)).isZero();
            } finally {
                node.destroyForcibly();
                guard.destroyForcibly();
                Files.delete(output);
            }
            Awaitility.await().atMost(Duration.ofSeconds(20)).until(() -> broker.queues().isEmpty());
        }
    }
}
