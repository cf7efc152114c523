package hoofbeat.spring.client;

import static hoofbeat.spring.support.Peer.await;
import static hoofbeat.spring.support.Peer.receipt;
import static hoofbeat.spring.support.Peer.to;
import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Inbox;
import hoofbeat.spring.support.Peer;
import hoofbeat.spring.support.Peer.Received;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.messaging.simp.stomp.StompClientSupport;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSessionHandlerAdapter;

/** Features that are the same for every client of Spring, with any WebSocket implementation. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class ClientContract {
    static final int BODY_LIMIT = 2 << 20;

    private static final String CONFIGURATION = """
            auth: { anonymous: true, anonymous_roles: [guest], on_denied_subscribe: %s }
            acl:
              - { name: everything, allow: [send, subscribe], destinations: ["/topic/**", "/queue/**"] }
              - { name: secrets, deny: [subscribe, send], destinations: ["/topic/secret.**"] }
            heartbeat: { min: 100ms }
            limits: { frame_body_bytes: 2MiB, drain_timeout: 2s }
            destinations:
              - { match: /queue/narrow.*, max_messages: 1, overflow: block }
              - { match: /queue/full.*, max_messages: 1, overflow: reject }
            """;

    private final String unique = UUID.randomUUID().toString();
    private Hoofbeat broker;
    private final List<Peer> peers = new CopyOnWriteArrayList<>();

    /** A client with a setting, which may receive messages up to the broker's limit. */
    abstract Peer.Connector connector(Hoofbeat broker, Consumer<StompClientSupport> setting);

    @BeforeAll
    void startBroker() {
        broker = Hoofbeat.start(CONFIGURATION.formatted("close"));
    }

    @AfterAll
    void stopBroker() {
        broker.close();
    }

    @AfterEach
    void disconnect() {
        peers.forEach(Peer::close);
        peers.clear();
    }

    Hoofbeat broker() {
        return broker;
    }

    Peer connect() {
        return connect(new StompHeaders());
    }

    Peer connect(StompHeaders headers) {
        return connect(broker, headers);
    }

    private Peer connect(Hoofbeat broker, StompHeaders headers) {
        return connect(connector(broker, client -> {}), headers);
    }

    Peer connect(Peer.Connector connector, StompHeaders headers) {
        Peer peer = Peer.connect(connector, headers);
        peers.add(peer);
        return peer;
    }

    private static StompHeaders version(String accepted) {
        StompHeaders headers = new StompHeaders();
        headers.setAcceptVersion(accepted.split(","));
        return headers;
    }

    private static StompHeaders heartBeat(long out, long in) {
        StompHeaders headers = new StompHeaders();
        headers.setHeartbeat(new long[] {out, in});
        return headers;
    }

    /** SUBSCRIBE with an acknowledgement mode. */
    private static StompHeaders acked(String destination, String mode) {
        StompHeaders headers = to(destination);
        headers.setAck(mode);
        return headers;
    }

    /** A name that only this test uses. */
    private String name(String of) {
        return of + "." + unique;
    }

    @Test
    @DisplayName("CONNECTED names version, server, session and user")
    void connected() {
        StompHeaders connected = connect().connected.next();
        assertThat(connected.getFirst("version")).isEqualTo("1.2");
        assertThat(connected.getSession()).isNotBlank();
        assertThat(connected.getFirst("server")).startsWith("hoofbeat");
        assertThat(connected.getHeartbeat()).containsExactly(0, 0);
    }

    @Test
    @DisplayName("STOMP 1.1 and 1.2, as accepted")
    void versions() {
        for (var tt : Map.of("1.1", "1.1", "1.2", "1.2", "1.1,1.2", "1.2").entrySet()) {
            assertThat(connect(version(tt.getKey())).connected.next().getFirst("version")).isEqualTo(tt.getValue());
        }
    }

    @Test
    @DisplayName("publish and subscribe, headers unchanged")
    void headers() {
        Peer peer = connect();
        var inbox = peer.subscribe(name("/topic/headers"));
        StompHeaders headers = to(name("/topic/headers"));
        headers.set("colon", "a:b\\c\nd");
        headers.addAll("twice", List.of("1", "2"));
        headers.set("empty", "");
        peer.send(headers, "hello");
        Received<String> got = inbox.next();
        assertThat(got.body()).isEqualTo("hello");
        assertThat(got.headers().getFirst("colon")).isEqualTo("a:b\\c\nd");
        assertThat(got.headers().get("twice")).containsExactly("1", "2");
        assertThat(got.headers().get("empty")).containsExactly("");
        assertThat(got.headers().getDestination()).isEqualTo(name("/topic/headers"));
    }

    @Test
    @DisplayName("wildcards in Spring's spelling")
    void wildcards() {
        Peer peer = connect();
        var inbox = peer.subscribe("/topic/wild." + unique + "/**");
        peer.send("/topic/wild." + unique + "/eu/gold", "gold");
        Received<String> got = inbox.next();
        assertThat(got.headers().getDestination()).isEqualTo("/topic/wild." + unique + "/eu/gold");
    }

    @Test
    @DisplayName("receipts of SUBSCRIBE, SEND, ACK and UNSUBSCRIBE")
    void receipts() {
        Peer peer = connect();
        String queue = name("/queue/receipts");
        var inbox = new Inbox<Received<String>>("a MESSAGE");
        var subscription = peer.subscribe(acked(queue, "client"), String.class, inbox);
        await(receipt(subscription));
        StompHeaders receipt = await(receipt(peer.session().send(queue, "one")));
        assertThat(receipt.getReceiptId()).isNotBlank();
        await(receipt(peer.session().acknowledge(inbox.next().headers().getAck(), true)));
        await(receipt(subscription.unsubscribe()));
        assertThat(broker.queues()).doesNotContain(queue);
    }

    @Test
    @DisplayName("a receipt that does not come is lost in time")
    void lostReceipt() {
        Peer peer = connect(connector(broker, client -> client.setReceiptTimeLimit(300)), new StompHeaders());
        String queue = name("/queue/narrow");
        peer.send(queue, "fills it");
        var waits = receipt(peer.session().send(queue, "waits for room"));
        assertThat(waits).failsWithin(Duration.ofSeconds(5)).withThrowableThat().withMessageContaining("lost receipt");
        var inbox = connect().subscribe(queue);
        assertThat(inbox.take(2)).extracting(Received::body).containsExactly("fills it", "waits for room");
    }

    @Test
    @DisplayName("ack client is cumulative, 1.2")
    void ackClient() {
        String queue = name("/queue/cumulative");
        Peer first = connect();
        var inbox = first.subscribe(acked(queue, "client"), String.class);
        for (String body : List.of("a", "b", "c")) {
            first.send(queue, body);
        }
        var got = inbox.take(3);
        await(receipt(first.session().acknowledge(got.get(1).headers().getAck(), true)));
        first.close();
        Received<String> again = connect().subscribe(queue).next();
        assertThat(again.body()).isEqualTo("c");
        assertThat(again.headers().getFirst("redelivered")).isEqualTo("true");
        assertThat(again.headers().getFirst("delivery-count")).isEqualTo("2");
    }

    @Test
    @DisplayName("ack client-individual leaves the others, 1.2")
    void ackIndividual() {
        String queue = name("/queue/individual");
        Peer first = connect();
        var inbox = first.subscribe(acked(queue, "client-individual"), String.class);
        for (String body : List.of("a", "b", "c")) {
            first.send(queue, body);
        }
        var got = inbox.take(3);
        await(receipt(first.session().acknowledge(got.get(1).headers().getAck(), true)));
        first.close();
        assertThat(connect().subscribe(queue).take(2)).extracting(Received::body).containsExactly("a", "c");
    }

    @Test
    @DisplayName("ack and nack by message-id, 1.1")
    void ackOldVersion() {
        String queue = name("/queue/old");
        Peer peer = connect(version("1.1"));
        var inbox = peer.subscribe(acked(queue, "client-individual"), String.class);
        peer.send(queue, "a");
        await(receipt(peer.session().acknowledge(inbox.next().headers().getMessageId(), false)));
        Received<String> again = inbox.next();
        assertThat(again.headers().getFirst("redelivered")).isEqualTo("true");
        await(receipt(peer.session().acknowledge(again.headers().getMessageId(), true)));
        peer.send(queue, "b");
        assertThat(inbox.next().body()).isEqualTo("b");
    }

    @Test
    @DisplayName("nack: redelivered, marked as such")
    void nack() {
        String queue = name("/queue/nack");
        Peer peer = connect();
        var inbox = peer.subscribe(acked(queue, "client-individual"), String.class);
        peer.send(queue, "again");
        Received<String> got = inbox.next();
        assertThat(got.headers().get("redelivered")).isNull();
        await(receipt(peer.session().acknowledge(got.headers().getAck(), false)));
        Received<String> again = inbox.next();
        assertThat(again.body()).isEqualTo("again");
        assertThat(again.headers().getFirst("redelivered")).isEqualTo("true");
        assertThat(again.headers().getFirst("delivery-count")).isEqualTo("2");
        await(receipt(peer.session().acknowledge(again.headers().getAck(), true)));
    }

    record Order(String item, int pieces, List<String> notes) {}

    @Test
    @DisplayName("JSON by Jackson")
    void json() {
        Peer peer = connect();
        var inbox = peer.subscribe(to(name("/topic/json")), Order.class);
        Order order = new Order("Hufeisen \u00fc \uD83D\uDC0E", 2, List.of("a", "b"));
        peer.send(name("/topic/json"), order);
        Received<Order> got = inbox.next();
        assertThat(got.body()).isEqualTo(order);
        assertThat(got.headers().getContentType()).hasToString("application/json");
    }

    @Test
    @DisplayName("binary with zeros and every byte")
    void binary() {
        Peer peer = connect();
        var inbox = peer.subscribe(to(name("/queue/binary")), byte[].class);
        byte[] body = new byte[1024];
        for (int i = 0; i < body.length; i++) {
            body[i] = (byte) i;
        }
        peer.send(name("/queue/binary"), body);
        assertThat(inbox.next().body()).isEqualTo(body);
        peer.send(name("/queue/binary"), new byte[] {0});
        assertThat(inbox.next().body()).containsExactly(0);
    }

    @Test
    @DisplayName("messages of 1 MiB, text and binary")
    void large() {
        Peer peer = connect();
        var texts = peer.subscribe(name("/topic/large.text"));
        String text = "\u00fc".repeat(512 << 10);
        peer.send(name("/topic/large.text"), text);
        assertThat(texts.next().body().equals(text)).isTrue();
        var binaries = peer.subscribe(to(name("/topic/large.binary")), byte[].class);
        byte[] binary = new byte[1 << 20];
        Arrays.fill(binary, (byte) 0xFF);
        peer.send(name("/topic/large.binary"), binary);
        assertThat(Arrays.equals(binaries.next().body(), binary)).isTrue();
    }

    @Test
    @DisplayName("heart-beats as negotiated")
    void heartBeatsNegotiated() {
        assertThat(connect(heartBeat(10_000, 10_000)).connected.next().getHeartbeat()).containsExactly(10_000, 10_000);
        assertThat(connect(heartBeat(300, 400)).connected.next().getHeartbeat()).containsExactly(400, 300);
        assertThat(connect(heartBeat(0, 500)).connected.next().getHeartbeat()).containsExactly(500, 0);
    }

    @Test
    @DisplayName("an idle connection lives by its heart-beats")
    void idle() {
        Peer peer = connect(heartBeat(2000, 2000));
        var inbox = peer.subscribe(name("/topic/idle"));
        // Without heart-beats the broker gives up after 4 s, the client after 6 s.
        Awaitility.await().during(Duration.ofSeconds(8)).atMost(Duration.ofSeconds(20)).until(() -> peer.session().isConnected() && peer.failures.waiting().isEmpty());
        peer.send(name("/topic/idle"), "alive");
        assertThat(inbox.next().body()).isEqualTo("alive");
    }

    @Test
    @DisplayName("a broker that falls silent is noticed")
    void silentBroker() throws Exception {
        try (Hoofbeat other = Hoofbeat.start(CONFIGURATION.formatted("close"))) {
            Peer peer = connect(other, heartBeat(200, 200));
            other.freeze(true);
            peer.lost();
            assertThat(peer.session().isConnected()).isFalse();
        }
    }

    @Test
    @DisplayName("disconnect: unacknowledged messages go back, nothing is reported")
    void disconnects() {
        String queue = name("/queue/left");
        Peer peer = connect();
        var inbox = peer.subscribe(acked(queue, "client"), String.class);
        peer.send(queue, "kept");
        inbox.next();
        peer.session().disconnect();
        assertThat(connect().subscribe(queue).next().body()).isEqualTo("kept");
        assertThat(peer.session().isConnected()).isFalse();
        assertThat(peer.failures.waiting()).isEmpty();
        assertThat(peer.refusals.waiting()).isEmpty();
    }

    @Test
    @DisplayName("reconnect after the broker restarts, queues kept")
    void reconnects() {
        try (Hoofbeat other = Hoofbeat.start(CONFIGURATION.formatted("close"))) {
            for (Runnable end : List.<Runnable>of(other::stop, other::kill)) {
                Peer peer = connect(other, new StompHeaders());
                peer.send("/queue/kept", "kept");
                end.run();
                peer.lost();
                Peer early = Peer.refused(connector(other, client -> {}), new StompHeaders());
                early.failures.next();
                other.launch();
                Peer again = connect(other, new StompHeaders());
                var inbox = again.subscribe("/queue/kept");
                assertThat(inbox.next().body()).isEqualTo("kept");
                again.close();
            }
        }
    }

    @Test
    @DisplayName("unknown destination: ERROR, then the end")
    void unknownDestination() {
        Peer peer = connect();
        peer.session().send("/nowhere/a", "x");
        assertRefused(peer, "unknown-destination", "/topic/");
    }

    @Test
    @DisplayName("refused subscription, close: ERROR, then the end")
    void refusedSubscription() {
        Peer peer = connect();
        peer.session().subscribe(name("/topic/secret"), new StompSessionHandlerAdapter() {});
        assertRefused(peer, "access-denied", "/topic/secret");
    }

    @Test
    @DisplayName("refused subscription, receipt-error: ERROR, and the connection stays")
    void refusedSubscriptionOnly() {
        try (Hoofbeat other = Hoofbeat.start(CONFIGURATION.formatted("receipt-error"))) {
            Peer peer = connect(other, new StompHeaders());
            var inbox = new Inbox<Received<String>>("a MESSAGE");
            var subscription = peer.subscribe(to("/topic/secret.a"), String.class, inbox);
            Peer.Refusal refusal = peer.refusals.next();
            assertThat(refusal.word()).isEqualTo("access-denied");
            assertThat(refusal.headers().getSubscription()).isEqualTo(subscription.getSubscriptionId());
            assertThat(refusal.headers().getReceiptId()).isEqualTo(subscription.getReceiptId());
            var allowed = peer.subscribe("/topic/allowed");
            peer.send("/topic/allowed", "still here");
            assertThat(allowed.next().body()).isEqualTo("still here");
            assertThat(peer.failures.waiting()).isEmpty();
        }
    }

    @Test
    @DisplayName("too large a message: ERROR, then the end")
    void tooLarge() {
        Peer peer = connect();
        try {
            peer.session().send(name("/topic/huge"), "x".repeat(BODY_LIMIT + 1));
        } catch (RuntimeException closedMeanwhile) {
            // The broker stops reading at its limit.
        }
        assertRefused(peer, "frame-too-large", "frame_body_bytes");
    }

    @Test
    @DisplayName("a full queue: ERROR with the receipt's id, then the end")
    void queueFull() {
        Peer peer = connect();
        peer.send(name("/queue/full"), "fits");
        var frame = peer.session().send(name("/queue/full"), "does not");
        Peer.Refusal refusal = assertRefused(peer, "queue-full", name("/queue/full"));
        assertThat(refusal.headers().getReceiptId()).isEqualTo(frame.getReceiptId());
    }

    /**
     * Expects an ERROR with this word, then the end of the connection, and that the application can connect again.
     */
    Peer.Refusal assertRefused(Peer peer, String word, String named) {
        Peer.Refusal refusal = peer.refusals.next();
        assertThat(refusal.word()).isEqualTo(word);
        assertThat(refusal.body()).contains(named);
        peer.lost();
        assertThat(peer.session().isConnected()).isFalse();
        Peer again = connect();
        var inbox = again.subscribe(name("/topic/again"));
        again.send(name("/topic/again"), "back");
        assertThat(inbox.next().body()).isEqualTo("back");
        return refusal;
    }
}
