package hoofbeat.spring.examples;

import hoofbeat.spring.support.Guard;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;

/** An example in a process of its own, packaged by Maven before. */
final class Program implements AutoCloseable {
    private static final Path EXAMPLES = Path.of("../../../examples/spring").toAbsolutePath().normalize();

    private final HttpClient http = HttpClient.newHttpClient();
    private final Path output;
    private final int port;
    private final Process process;
    private final Process guard;

    /** Starts it with additional properties, and waits until it serves a path. */
    Program(String name, int port, String ready, String... properties) throws IOException {
        this.port = port;
        List<String> command = new ArrayList<>(List.of(
                ProcessHandle.current().info().command().orElse("java"), "-Xmx128m", "-XX:TieredStopAtLevel=1",
                "-jar", EXAMPLES.resolve(name + "/target/" + name + ".jar").toString(), "--server.port=" + port));
        command.addAll(List.of(properties));
        output = Files.createTempFile("hoofbeat-example-", ".log");
        process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile()).start();
        guard = Guard.over(process);
        Awaitility.await(name + " serves " + ready).atMost(Duration.ofSeconds(60)).until(() -> {
            if (!process.isAlive()) {
                throw new AssertionError(output());
            }
            return serves(ready);
        });
    }

    /** The broker's configuration next to an example. */
    static String brokerConfiguration(String name) throws IOException {
        return Files.readString(EXAMPLES.resolve(name + "/hoofbeat.yaml"));
    }


    private boolean serves(String path) {
        try {
            return get(path, null).statusCode() == 200;
        } catch (UncheckedIOException notYet) {
            return false;
        }
    }

    /** Requests a path as a user whose password is the user name, or anonymously. */
    HttpResponse<String> get(String path, String user) {
        var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
        if (user != null) {
            request.header("Authorization", "Basic " + Base64.getEncoder().encodeToString((user + ":" + user).getBytes()));
        }
        try {
            return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Its output. */
    String output() {
        try {
            return Files.readString(output);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void awaitOutput(String text) {
        Awaitility.await(text).atMost(Duration.ofSeconds(10)).until(() -> output().contains(text));
    }

    @Override
    public void close() throws IOException {
        try {
            process.destroy();
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                throw new AssertionError("it does not end:\n" + output());
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        } finally {
            process.destroyForcibly();
            guard.destroyForcibly();
            Files.delete(output);
        }
    }
}
