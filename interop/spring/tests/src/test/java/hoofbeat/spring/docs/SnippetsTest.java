package hoofbeat.spring.docs;

import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.support.Hoofbeat;
import java.io.IOException;
import java.io.StringWriter;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The Java code in the documentation: all of it is compiled, and complete programs are run. */
@DisplayName("Spring, the documentation")
class SnippetsTest {
    private static final Path ROOT = Path.of("../../..");
    private static final Pattern BLOCK = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL);

    private static final String IMPORTS = Stream.of(
                    "java.lang.reflect.*", "java.util.concurrent.*", "org.springframework.context.annotation.*", "org.springframework.messaging.converter.*",
                    "org.springframework.messaging.simp.config.*", "org.springframework.messaging.simp.stomp.*", "org.springframework.scheduling.concurrent.*",
                    "org.springframework.web.socket.*", "org.springframework.web.socket.client.standard.*", "org.springframework.web.socket.config.annotation.*",
                    "org.springframework.web.socket.messaging.*")
            .map(name -> "import " + name + ";\n").reduce("", String::concat);

    @TempDir
    Path folder;

    /** The snippets of a page that contain a text. */
    private static List<String> snippets(String page, String holding) throws IOException {
        List<String> found = BLOCK.matcher(Files.readString(ROOT.resolve(page))).results().map(r -> r.group(1)).filter(s -> s.contains(holding)).toList();
        assertThat(found).as("snippets of " + page + " with " + holding).hasSize(1);
        return found;
    }

    private Class<?> compile(String name, String source) throws Exception {
        Path file = Files.writeString(folder.resolve(name + ".java"), source);
        StringWriter faults = new StringWriter();
        var compiler = ToolProvider.getSystemJavaCompiler();
        try (var files = compiler.getStandardFileManager(null, null, null)) {
            var options = List.of("-d", folder.toString(), "-cp", System.getProperty("java.class.path"), "-proc:none");
            boolean done = compiler.getTask(faults, files, null, options, null, files.getJavaFileObjects(file)).call();
            assertThat(done).as(faults + "\n" + source).isTrue();
        }
        return new URLClassLoader(new URL[] {folder.toUri().toURL()}, getClass().getClassLoader()).loadClass(name);
    }

    @Test
    @DisplayName("WebSocketStompClient: the snippet consumes what it sends")
    void client() throws Exception {
        String snippet = snippets("docs/clients.md", "new WebSocketStompClient").get(0);
        try (Hoofbeat broker = Hoofbeat.start("auth: { anonymous: true }\n")) {
            String source = IMPORTS + "public class Snippet { public static void run(String token, org.slf4j.Logger log) throws Exception {\n"
                    + snippet.replaceAll("ws://127\\.0\\.0\\.1:15674/ws", Matcher.quoteReplacement(broker.webSocket())) + "} }\n";
            compile("Snippet", source).getMethod("run", String.class, Logger.class).invoke(null, "", LoggerFactory.getLogger("snippet"));
            Awaitility.await().atMost(Duration.ofSeconds(20)).until(broker::overview,
                    all -> all.matches("(?s).*\"name\":\"/queue/orders\"[^}]*\"ready\":0,\"unacked\":0,\"delayed\":0,\"consumers\":1\\b.*"));
        }
    }

    @Test
    @DisplayName("the relay's configuration compiles")
    void relay() throws Exception {
        compile("InClients", IMPORTS + "class InClients { String passcode;\n" + snippets("docs/clients.md", "enableStompBrokerRelay").get(0) + "}\n");
        compile("InReadme", IMPORTS + "class InReadme {\n" + snippets("README.md", "enableStompBrokerRelay").get(0) + "}\n");
        compile("InMigration", IMPORTS + "class InMigration { void configure(MessageBrokerRegistry registry) {\n"
                + snippets("docs/migrate-spring-simple-broker.md", "enableStompBrokerRelay").get(0) + "} }\n");
    }
}
