package example;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Future;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.context.event.EventListener;
import org.springframework.messaging.converter.StringMessageConverter;
import org.springframework.messaging.simp.stomp.ReactorNettyTcpStompClient;
import org.springframework.messaging.simp.stomp.StompCommand;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.messaging.simp.stomp.StompSessionHandlerAdapter;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.stereotype.Component;

/**
 * The application's connection to the broker: with heart-beats, a token that is refreshed before it expires, and a
 * new connection after each loss. Spring's client does not reconnect by itself.
 */
@Component
class BrokerConnection extends StompSessionHandlerAdapter implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BrokerConnection.class);
    private static final Duration PAUSE = Duration.ofSeconds(2);

    private final Tokens tokens;
    private final Orders orders;
    private final ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
    private final ReactorNettyTcpStompClient client;
    private Future<?> retry; // guarded by this, like the fields below
    private Future<?> refresh;
    private Instant issued = Instant.EPOCH; // when the token of the current connection was issued
    private boolean closed;

    BrokerConnection(@Value("${broker.host}") String host, @Value("${broker.port}") int port, Tokens tokens, Orders orders) {
        this.tokens = tokens;
        this.orders = orders;
        scheduler.setDaemon(true);
        scheduler.initialize();
        client = new ReactorNettyTcpStompClient(host, port);
        client.setMessageConverter(new StringMessageConverter());
        client.setTaskScheduler(scheduler); // for heart-beats and receipts
    }

    /** Connects when the application serves its keys, and after each loss. */
    @EventListener(ApplicationReadyEvent.class)
    public synchronized void connect() {
        retry = null;
        if (!closed) {
            issued = Instant.now();
            StompHeaders headers = new StompHeaders();
            headers.set("Authorization", "Bearer " + token());
            client.connectAsync(headers, this);
        }
    }

    private String token() {
        return tokens.issue("orders-service", "application");
    }

    @Override
    public synchronized void afterConnected(StompSession session, StompHeaders connected) {
        LOG.info("connected to {}", connected.getFirst("server"));
        orders.serve(session);
        Duration half = tokens.lifetime().dividedBy(2);
        refresh = scheduler.scheduleAtFixedRate(() -> session.send("/hoofbeat/token", token()), issued.plus(half), half);
    }

    /** An ERROR: the broker gives the reason before it closes the connection. */
    @Override
    public void handleFrame(StompHeaders headers, Object body) {
        LOG.warn("{}: {}", headers.getFirst("message"), body);
    }

    /** The connection was lost or could not be made. Spring may call this more than once. */
    @Override
    public synchronized void handleTransportError(StompSession session, Throwable reason) {
        if (refresh != null) {
            refresh.cancel(false);
        }
        if (retry == null && !closed) {
            LOG.warn("no connection to the broker, trying again in {} s: {}", PAUSE.toSeconds(), reason.getMessage());
            retry = scheduler.schedule(this::connect, Instant.now().plus(PAUSE));
        }
    }

    @Override
    public void handleException(StompSession session, StompCommand command, StompHeaders headers, byte[] body, Throwable fault) {
        LOG.error("handling a {} to {}", command, headers.getDestination(), fault);
    }

    @Override
    public synchronized void close() {
        closed = true;
        client.shutdown();
        scheduler.shutdown();
    }
}
