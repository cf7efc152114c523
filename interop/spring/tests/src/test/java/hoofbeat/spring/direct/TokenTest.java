package hoofbeat.spring.direct;

import static hoofbeat.spring.support.Peer.await;
import static hoofbeat.spring.support.Peer.receipt;
import static hoofbeat.spring.support.Peer.to;
import static org.assertj.core.api.Assertions.assertThat;

import hoofbeat.spring.support.Clients;
import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Inbox;
import hoofbeat.spring.support.Peer;
import hoofbeat.spring.support.Peer.Received;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.tomcat.websocket.WsWebSocketContainer;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.springframework.http.HttpHeaders;
import org.springframework.messaging.simp.stomp.ReactorNettyTcpStompClient;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.web.socket.WebSocketHttpHeaders;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;

/** Users connect to the broker directly, with tokens from Spring Security; the application is one of the clients. */
@DisplayName("Spring Security's JWT, directly to the broker")
class TokenTest {
    private static final String CONFIGURATION = """
            auth:
              jwt: { jwks_url: "%s", issuer: shop, leeway: 0s, required_claims: [exp], query_parameter: "" }
              on_denied_subscribe: close
            acl:
              - { name: everybody owns an inbox, allow: [subscribe], destinations: ["/queue/inbox.{user}"] }
              - { name: everybody reads the news, allow: [subscribe], destinations: ["/topic/news.**"] }
              - { name: the application writes, roles: [application], allow: [send, subscribe], destinations: ["/queue/**", "/topic/**"] }
            heartbeat: { min: 100ms }
            limits: { drain_timeout: 2s, failed_connects: 0/m }
            """;

    private static Issuer issuer;
    private static Hoofbeat broker;
    private static ReactorNettyTcpStompClient tcp;
    private final List<Peer> peers = new CopyOnWriteArrayList<>();

    @BeforeAll
    static void start() throws Exception {
        issuer = new Issuer();
        broker = Hoofbeat.start(CONFIGURATION.formatted(issuer.url()));
        tcp = Clients.setUp(new ReactorNettyTcpStompClient("127.0.0.1", broker.tcpPort()));
    }

    @AfterAll
    static void stop() {
        tcp.shutdown();
        broker.close();
        issuer.close();
    }

    @AfterEach
    void disconnect() {
        peers.forEach(Peer::close);
    }

    private static WebSocketStompClient webSocketClient() {
        return Clients.setUp(new WebSocketStompClient(new StandardWebSocketClient(new WsWebSocketContainer())));
    }

    private static Peer.Connector webSocket() {
        return Clients.over(webSocketClient(), broker.webSocket());
    }

    private Peer connect(Peer.Connector connector, String token) {
        Peer peer = Peer.connect(connector, Clients.bearer(token));
        peers.add(peer);
        return peer;
    }

    private Peer user(String token) {
        return connect(webSocket(), token);
    }

    private Peer application() {
        return connect(tcp::connectAsync, issuer.token("the-application", "application"));
    }

    @Test
    @DisplayName("a user reads its own inbox, the application writes to it over TCP and WebSocket")
    void inbox() {
        Peer ada = user(issuer.token("ada"));
        assertThat(ada.connected.next().getFirst("user-name")).isEqualTo("ada");
        var inbox = ada.subscribe("/queue/inbox.ada");
        application().send("/queue/inbox.ada", "by TCP");
        assertThat(inbox.next().body()).isEqualTo("by TCP");
        connect(webSocket(), issuer.token("the-application", "application")).send("/queue/inbox.ada", "by WebSocket");
        assertThat(inbox.next().body()).isEqualTo("by WebSocket");
    }

    @Test
    @DisplayName("the token in the upgrade's Authorization header, or as passcode")
    void otherPlaces() {
        WebSocketHttpHeaders upgrade = new WebSocketHttpHeaders();
        upgrade.add(HttpHeaders.AUTHORIZATION, "Bearer " + issuer.token("ada"));
        Peer byUpgrade = Peer.connect((headers, peer) -> webSocketClient().connectAsync(URI.create(broker.webSocket()), upgrade, headers, peer), new StompHeaders());
        peers.add(byUpgrade);
        assertThat(byUpgrade.connected.next().getFirst("user-name")).isEqualTo("ada");
        StompHeaders passcode = new StompHeaders();
        passcode.setLogin("ada");
        passcode.setPasscode(issuer.token("ada"));
        Peer byPasscode = Peer.connect(webSocket(), passcode);
        peers.add(byPasscode);
        assertThat(byPasscode.connected.next().getFirst("user-name")).isEqualTo("ada");
    }

    @Test
    @DisplayName("refused elsewhere: another's inbox, too wide a pattern, sending")
    void refused() {
        for (String destination : List.of("/queue/inbox.ben", "/topic/**", "/topic/other")) {
            Peer ada = user(issuer.token("ada"));
            ada.subscribe(to(destination), String.class, new Inbox<>("nothing"));
            assertEnded(ada, "access-denied", destination);
        }
        Peer ada = user(issuer.token("ada"));
        ada.session().send("/topic/news.eu", "forged");
        assertEnded(ada, "access-denied", "/topic/news.eu");
    }

    @Test
    @DisplayName("expired, forged, foreign or no token: not connected, and told so")
    void notConnected() throws Exception {
        try (Issuer forger = new Issuer()) {
            for (String token : List.of(issuer.token("ada", Duration.ofMinutes(-1)), forger.token("ada"), "nonsense")) {
                for (Peer.Connector connector : List.<Peer.Connector>of(webSocket(), tcp::connectAsync)) {
                    Peer peer = Peer.refused(connector, Clients.bearer(token));
                    assertThat(peer.refusals.next().word()).isEqualTo("authentication-failed");
                    peer.lost();
                }
            }
        }
        Peer nobody = Peer.refused(webSocket(), new StompHeaders());
        assertThat(nobody.refusals.next().word()).isEqualTo("authentication-failed");
        user(issuer.token("ada")); // with a valid one, it continues
    }

    @Test
    @DisplayName("a token that ends: ERROR token-expired, then the end; with a new one it goes on")
    void expires() {
        for (Peer.Connector connector : List.<Peer.Connector>of(webSocket(), tcp::connectAsync)) {
            Peer ada = connect(connector, issuer.token("ada", Duration.ofSeconds(5)));
            ada.subscribe("/topic/news.eu");
            assertEnded(ada, "token-expired", "");
            var inbox = connect(connector, issuer.token("ada")).subscribe("/topic/news.eu");
            application().send("/topic/news.eu", "news");
            assertThat(inbox.next().body()).isEqualTo("news");
        }
    }

    @Test
    @DisplayName("a token that is refreshed in time by SEND to /hoofbeat/token: nothing is lost")
    void refreshed() {
        Peer ada = user(issuer.token("ada", Duration.ofSeconds(5)));
        var inbox = ada.subscribe("/queue/inbox.ada");
        await(receipt(ada.session().send("/hoofbeat/token", issuer.token("ada"))));
        Awaitility.await().during(Duration.ofSeconds(6)).atMost(Duration.ofSeconds(20)).until(() -> ada.session().isConnected() && ada.refusals.waiting().isEmpty());
        application().send("/queue/inbox.ada", "still here");
        assertThat(inbox.take(1)).extracting(Received::body).containsExactly("still here");
    }

    @Test
    @DisplayName("a token of somebody else, or a bad one, refreshes nothing")
    void notRefreshed() {
        for (String token : List.of(issuer.token("ben"), issuer.token("ada", Duration.ofMinutes(-1)), "nonsense")) {
            Peer ada = user(issuer.token("ada"));
            ada.session().send("/hoofbeat/token", token);
            assertEnded(ada, "authentication-failed", "");
        }
    }

    @Test
    @DisplayName("a refreshed token with fewer roles takes away what it does not allow")
    void fewerRights() {
        Peer clerk = user(issuer.token("clerk", "application"));
        clerk.subscribe(to("/topic/other"), String.class);
        clerk.session().send("/hoofbeat/token", issuer.token("clerk"));
        assertEnded(clerk, "access-denied", "/topic/other");
    }

    private static void assertEnded(Peer peer, String word, String named) {
        Peer.Refusal refusal = peer.refusals.next();
        assertThat(refusal.word()).isEqualTo(word);
        assertThat(refusal.body()).contains(named);
        peer.lost();
        assertThat(peer.session().isConnected()).isFalse();
    }
}
