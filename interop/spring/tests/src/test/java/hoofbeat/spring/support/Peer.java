package hoofbeat.spring.support;

import java.lang.reflect.Type;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.springframework.messaging.simp.stomp.ConnectionLostException;
import org.springframework.messaging.simp.stomp.StompCommand;
import org.springframework.messaging.simp.stomp.StompFrameHandler;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.messaging.simp.stomp.StompSession.Receiptable;
import org.springframework.messaging.simp.stomp.StompSession.Subscription;
import org.springframework.messaging.simp.stomp.StompSessionHandlerAdapter;

/** The application at the other end of a connection: a session handler that records everything. */
public final class Peer extends StompSessionHandlerAdapter implements AutoCloseable {
    /** An ERROR frame: its headers, and its body as text. */
    public record Refusal(StompHeaders headers, String body) {
        /** The error word. */
        public String word() {
            return headers.getFirst("message");
        }
    }

    /** A MESSAGE. */
    public record Received<T>(StompHeaders headers, T body) {}

    /** Connects a client. */
    public interface Connector {
        CompletableFuture<StompSession> connect(StompHeaders headers, Peer handler);
    }

    public final Inbox<StompHeaders> connected = new Inbox<>("CONNECTED");
    /** ERROR frames, which Spring passes to handleFrame. */
    public final Inbox<Refusal> refusals = new Inbox<>("an ERROR");
    /** The arguments of handleException. */
    public final Inbox<Throwable> exceptions = new Inbox<>("an exception");
    /** The arguments of handleTransportError. */
    public final Inbox<Throwable> failures = new Inbox<>("a transport error");

    private StompSession session;

    /** Connects and waits for CONNECTED. */
    public static Peer connect(Connector client, StompHeaders headers) {
        Peer peer = new Peer();
        peer.connected(client.connect(headers, peer));
        return peer;
    }

    /** Waits for CONNECTED of a connection that was started with this handler. */
    public void connected(CompletableFuture<StompSession> begun) {
        session = await(begun);
        session.setAutoReceipt(true);
    }

    /** Tries to connect, expects that to fail, and returns the peer. */
    public static Peer refused(Connector client, StompHeaders headers) {
        Peer peer = new Peer();
        try {
            client.connect(headers, peer).get(Inbox.PATIENCE, TimeUnit.SECONDS).disconnect();
        } catch (ExecutionException expected) {
            return peer;
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError("neither connected nor refused", e);
        }
        throw new AssertionError("it was expected to be refused, and was connected");
    }

    public StompSession session() {
        return session;
    }

    /** Subscribes to text messages, and waits for the RECEIPT. */
    public Inbox<Received<String>> subscribe(String destination) {
        return subscribe(to(destination), String.class);
    }

    /** Subscribes and waits for the RECEIPT. */
    public <T> Inbox<Received<T>> subscribe(StompHeaders headers, Class<T> type) {
        Inbox<Received<T>> inbox = new Inbox<>("a MESSAGE of " + headers.getDestination());
        await(receipt(subscribe(headers, type, inbox)));
        return inbox;
    }

    /** Subscribes without waiting. */
    public <T> Subscription subscribe(StompHeaders headers, Class<T> type, Inbox<Received<T>> inbox) {
        return session.subscribe(headers, new StompFrameHandler() {
            @Override
            public Type getPayloadType(StompHeaders ignored) {
                return type;
            }

            @Override
            public void handleFrame(StompHeaders received, Object payload) {
                inbox.put(new Received<>(received, type.cast(payload)));
            }
        });
    }

    /** Sends and waits for the RECEIPT. */
    public void send(String destination, Object payload) {
        send(to(destination), payload);
    }

    /** Sends and waits for the RECEIPT. */
    public void send(StompHeaders headers, Object payload) {
        await(receipt(session.send(headers, payload)));
    }

    /** Waits until Spring reports that the connection is lost, ignoring earlier reports. */
    public void lost() {
        while (!(failures.next() instanceof ConnectionLostException)) {
            // for example a failed write
        }
    }

    public static StompHeaders to(String destination) {
        StompHeaders headers = new StompHeaders();
        headers.setDestination(destination);
        return headers;
    }

    /** The RECEIPT of a frame, or a failure if Spring gives up waiting for it. */
    public static CompletableFuture<StompHeaders> receipt(Receiptable frame) {
        CompletableFuture<StompHeaders> receipt = new CompletableFuture<>();
        frame.addReceiptTask(receipt::complete);
        frame.addReceiptLostTask(() -> receipt.completeExceptionally(new AssertionError("lost receipt " + frame.getReceiptId())));
        return receipt;
    }

    public static <T> T await(CompletableFuture<T> future) {
        try {
            return future.get(Inbox.PATIENCE, TimeUnit.SECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        if (session != null && session.isConnected()) {
            session.disconnect();
        }
    }

    @Override
    public void afterConnected(StompSession session, StompHeaders headers) {
        connected.put(headers);
    }

    @Override
    public Type getPayloadType(StompHeaders headers) {
        return String.class; // hoofbeat's are text/plain
    }

    @Override
    public void handleFrame(StompHeaders headers, Object payload) {
        refusals.put(new Refusal(headers, (String) payload));
    }

    @Override
    public void handleException(StompSession session, StompCommand command, StompHeaders headers, byte[] payload, Throwable exception) {
        exceptions.put(exception);
    }

    @Override
    public void handleTransportError(StompSession session, Throwable exception) {
        failures.put(exception);
    }
}
