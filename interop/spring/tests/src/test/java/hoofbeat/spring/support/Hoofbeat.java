package hoofbeat.spring.support;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.springframework.util.FileSystemUtils;

/**
 * The broker in a process of its own, with a temporary folder and free loopback ports, which stay the same when it
 * is restarted. close stops it and fails if it has logged an error.
 */
public final class Hoofbeat implements AutoCloseable {
    private static final Pattern QUEUE_NAME = Pattern.compile("\"name\":\"([^\"]*)\"");
    private static final Pattern FAULT = Pattern.compile("level=ERROR|panic:|DATA RACE");

    private final Path folder;
    private final Map<String, String> environment;
    private final int webSocketPort = Ports.free();
    private final int tcpPort = Ports.free();
    private final int adminPort = Ports.free();
    private final HttpClient http = HttpClient.newHttpClient();
    private Process process;
    private Process guard;

    private Hoofbeat(Path folder, Map<String, String> environment) {
        this.folder = folder;
        this.environment = environment;
    }

    /** Starts a broker with this configuration file. */
    public static Hoofbeat start(String configuration) {
        Hoofbeat broker = prepare(configuration, Map.of());
        broker.launch();
        return broker;
    }

    /**
     * Prepares a broker without starting it. Environment variables like HOOFBEAT_LOG_LEVEL override keys of the
     * file.
     */
    public static Hoofbeat prepare(String configuration, Map<String, String> environment) {
        try {
            Hoofbeat broker = new Hoofbeat(Files.createTempDirectory("hoofbeat-spring-"), environment);
            broker.configure(configuration);
            return broker;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public String webSocket() {
        return "ws://127.0.0.1:" + webSocketPort + "/ws";
    }

    public int tcpPort() {
        return tcpPort;
    }

    /** Replaces the configuration file. A running broker reloads it within a second. */
    public void configure(String configuration) throws IOException {
        Files.writeString(folder.resolve("hoofbeat.yaml"), configuration);
    }

    /** Starts the process and waits until all its listeners accept connections. */
    public void launch() {
        try {
            ProcessBuilder builder = new ProcessBuilder(program(), "serve").directory(folder.toFile());
            builder.redirectError(ProcessBuilder.Redirect.appendTo(log().toFile()));
            Map<String, String> env = builder.environment();
            env.keySet().removeIf(name -> name.startsWith("HOOFBEAT_"));
            env.put("HOOFBEAT_LISTEN_WEBSOCKET_ADDRESS", "127.0.0.1:" + webSocketPort);
            env.put("HOOFBEAT_LIMITS_DRAIN_TIMEOUT", "2s"); // for clients that hold messages until the end of their test
            env.put("HOOFBEAT_LISTEN_TCP_ADDRESS", "127.0.0.1:" + tcpPort);
            env.put("HOOFBEAT_LISTEN_ADMIN_ADDRESS", "127.0.0.1:" + adminPort);
            env.put("HOOFBEAT_LISTEN_ADMIN_LOOPBACK_WITHOUT_TOKEN", "true");
            env.putAll(environment);
            process = builder.start();
            guard = Guard.over(process);
            awaitListeners(process.inputReader());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    // The broker prints its listeners, the admin listener last; if it ends, its output closes.
    private void awaitListeners(BufferedReader output) throws IOException {
        for (String line; (line = output.readLine()) != null; ) {
            if (line.startsWith("hoofbeat answers operators on ")) {
                return;
            }
        }
        throw new AssertionError("the broker did not start:\n" + Files.readString(log()));
    }

    /** The program under test. */
    static String program() {
        String named = System.getenv("HOOFBEAT_BIN");
        return Path.of(named != null ? named : System.getProperty("hoofbeat.bin", "../../../bin/hoofbeat")).toAbsolutePath().toString();
    }

    private Path log() {
        return folder.resolve("log");
    }

    /** The broker's log, over all its starts. */
    public String logged() {
        try {
            return Files.readString(log());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The names of the broker's queues, from the admin API. */
    public List<String> queues() {
        List<String> names = new ArrayList<>();
        var matcher = QUEUE_NAME.matcher(overview());
        while (matcher.find()) {
            names.add(matcher.group(1));
        }
        return names;
    }

    /** The admin API's description of all queues, in JSON. */
    public String overview() {
        var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + adminPort + "/api/v1/queues?limit=1000")).build();
        try {
            HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
            assertEquals(200, answer.statusCode(), answer.body());
            return answer.body();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Kills the process as a crash would. */
    public void kill() {
        process.destroyForcibly();
        end();
    }

    /** Stops the process by SIGTERM. It must exit with 0. */
    public void stop() {
        process.destroy();
        assertEquals(0, end(), () -> "exit code of the broker:\n" + logged());
    }

    private int end() {
        try {
            boolean ended = process.waitFor(15, TimeUnit.SECONDS);
            process.destroyForcibly();
            guard.destroyForcibly();
            assertFalse(!ended, () -> "the broker did not end within 15 s:\n" + logged());
            return process.exitValue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Suspends the process, as if the network was gone, or resumes it. */
    public void freeze(boolean frozen) throws IOException, InterruptedException {
        new ProcessBuilder("kill", frozen ? "-STOP" : "-CONT", Long.toString(process.pid())).start().waitFor();
    }

    @Override
    public void close() {
        try {
            if (process == null) {
                return;
            }
            if (process.isAlive()) {
                freeze(false);
                stop();
            }
            String log = logged();
            assertFalse(FAULT.matcher(log).find(), () -> "the broker logged a fault:\n" + log);
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        } finally {
            if (process != null) {
                process.destroyForcibly();
            }
            FileSystemUtils.deleteRecursively(folder.toFile());
        }
    }
}
