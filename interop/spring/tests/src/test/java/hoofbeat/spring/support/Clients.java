package hoofbeat.spring.support;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.springframework.messaging.converter.ByteArrayMessageConverter;
import org.springframework.messaging.converter.CompositeMessageConverter;
import org.springframework.messaging.converter.JacksonJsonMessageConverter;
import org.springframework.messaging.converter.MessageConverter;
import org.springframework.messaging.converter.StringMessageConverter;
import org.springframework.messaging.simp.stomp.StompClientSupport;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.web.socket.messaging.WebSocketStompClient;

/** The common settings of the clients. */
public final class Clients {
    private static final TaskScheduler SCHEDULER = scheduler();

    private Clients() {}

    private static TaskScheduler scheduler() {
        ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
        scheduler.setPoolSize(2);
        scheduler.setDaemon(true);
        scheduler.initialize();
        return scheduler;
    }

    public static TaskScheduler taskScheduler() {
        return SCHEDULER;
    }

    /** Converts strings and bytes; everything else becomes JSON. */
    public static MessageConverter converter() {
        return new CompositeMessageConverter(List.of(
                new StringMessageConverter(StandardCharsets.UTF_8), new ByteArrayMessageConverter(), new JacksonJsonMessageConverter()));
    }

    /** With receipts, but without heart-beats unless CONNECT asks for them. */
    public static <T extends StompClientSupport> T setUp(T client) {
        client.setMessageConverter(converter());
        client.setTaskScheduler(SCHEDULER);
        client.setReceiptTimeLimit(Duration.ofSeconds(Inbox.PATIENCE).toMillis());
        client.setDefaultHeartbeat(new long[] {0, 0});
        return client;
    }

    /** A connector over WebSocket. */
    public static Peer.Connector over(WebSocketStompClient client, String url) {
        return (headers, peer) -> client.connectAsync(URI.create(url), null, headers, peer);
    }

    /** CONNECT headers with a token. */
    public static StompHeaders bearer(String token) {
        StompHeaders headers = new StompHeaders();
        headers.set("Authorization", "Bearer " + token);
        return headers;
    }
}
