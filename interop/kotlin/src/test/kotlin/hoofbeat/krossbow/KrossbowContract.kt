package hoofbeat.krossbow

import hoofbeat.spring.support.Hoofbeat
import java.time.Duration
import java.util.UUID
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancel
import kotlinx.io.bytestring.ByteString
import org.hildan.krossbow.stomp.MissingHeartBeatException
import org.hildan.krossbow.stomp.StompConnectionException
import org.hildan.krossbow.stomp.StompErrorFrameReceived
import org.hildan.krossbow.stomp.config.HeartBeat
import org.hildan.krossbow.stomp.config.HeartBeatTolerance
import org.hildan.krossbow.stomp.config.StompConfig
import org.hildan.krossbow.stomp.frame.FrameBody
import org.hildan.krossbow.stomp.headers.AckMode
import org.hildan.krossbow.stomp.withTransaction
import org.hildan.krossbow.websocket.WebSocketClient
import org.hildan.krossbow.websocket.WebSocketException
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.DisplayName
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import org.junit.jupiter.api.assertThrows

private const val BODY_LIMIT = 2 * 1024 * 1024

private fun configuration(denied: String) = """
    auth: { anonymous: true, on_denied_subscribe: $denied, jwt: { algorithms: [HS256], secret: "$SECRET" } }
    acl:
      - { name: secret, deny: [subscribe], destinations: [/topic/secret.**] }
      - { name: all, allow: [subscribe, send], destinations: [/topic/**, /queue/**] }
    limits: { frame_body_bytes: ${BODY_LIMIT}, drain_timeout: 2s, failed_connects: 0/m }
    """.trimIndent()

private val beating: StompConfig.() -> Unit = {
    heartBeat = HeartBeat(minSendPeriod = 2.seconds, expectedPeriod = 2.seconds)
    heartBeatTolerance = HeartBeatTolerance(incomingMargin = 1.seconds)
}

/** Features and failures that are the same for krossbow on every WebSocket implementation. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class KrossbowContract(private val webSockets: WebSocketClient) {
    private val unique = UUID.randomUUID().toString()
    private lateinit var broker: Hoofbeat
    private var scope = CoroutineScope(Dispatchers.IO)

    @BeforeAll
    fun startBroker() {
        broker = Hoofbeat.start(configuration("close"))
    }

    @AfterAll
    fun stopBroker() = broker.close()

    @AfterEach
    fun end() {
        scope.cancel()
        scope = CoroutineScope(Dispatchers.IO)
    }

    private fun application() = Application(webSockets, scope)

    private fun connect(token: String? = null, setting: StompConfig.() -> Unit = {}) = application().connect(broker.webSocket(), token, setting)

    /** A name unique to this class. */
    private fun name(of: String) = "$of.$unique"

    private fun Application.works(destination: String = name("/topic/fence")) {
        val fence = subscribe(destination)
        send(destination, "it works")
        assertEquals("it works", fence.next().bodyAsText)
    }

    /** Expects an ERROR with this word, then the end, and that the application can connect again. */
    private fun assertRefused(app: Application, subscription: Subscription, word: String, named: String) {
        val error = app.errors.next()
        assertEquals(word, error.headers.message)
        assertTrue(named in error.bodyAsText, error.bodyAsText)
        val faults = subscription.faults()
        assertTrue(faults.any { it is StompErrorFrameReceived }, faults.toString())
        connect().works()
    }

    @Test
    @DisplayName("CONNECTED: STOMP 1.2, heart-beats as asked for, server, session, user")
    fun connected() {
        val headers = connect(token(), beating).connected.next().headers
        assertEquals("1.2", headers.version)
        assertEquals("2000,2000", headers["heart-beat"])
        assertEquals("ada", headers["user-name"])
        assertTrue(headers["server"].orEmpty().startsWith("hoofbeat/") && headers["session"] != null, headers.toString())
    }

    @Test
    @DisplayName("publish and subscribe, headers unchanged")
    fun headers() {
        val app = connect()
        val subscription = app.subscribe(name("/topic/headers"))
        val sent = mapOf("kind" to "a: b\\c", "größe" to "42", "content-type" to "text/plain")
        app.send(name("/topic/headers"), "grüße, €, 😀", sent)
        val message = subscription.next()
        assertEquals("grüße, €, 😀", message.bodyAsText)
        assertEquals(sent, sent.keys.associateWith { message.headers[it] })
    }

    @Test
    @DisplayName("receipts of SUBSCRIBE and SEND")
    fun receipts() {
        val app = connect { autoReceipt = true }
        app.works(name("/queue/receipts"))
    }

    @Test
    @DisplayName("ack and nack, each message by itself")
    fun acknowledges() {
        val queue = name("/queue/orders")
        val app = connect()
        val first = app.subscribe(queue, AckMode.CLIENT_INDIVIDUAL)
        app.send(queue, "one")
        soon { app.session.nack(checkNotNull(first.next().headers.ack)) }
        val again = first.next()
        assertEquals("true", again.headers["redelivered"])
        app.send(queue, "two")
        val two = first.next()
        soon { app.session.ack(checkNotNull(again.headers.ack)) }
        app.leave()
        val left = connect().subscribe(queue).next()
        assertEquals(two.bodyAsText, left.bodyAsText)
    }

    @Test
    @DisplayName("binary with zeros and every byte")
    fun binary() {
        val app = connect()
        val subscription = app.subscribe(name("/topic/binary"))
        val bytes = ByteArray(512) { it.toByte() }
        app.send(name("/topic/binary"), FrameBody.Binary(ByteString(bytes)))
        assertArrayEquals(bytes, subscription.next().body?.bytes?.toByteArray())
    }

    @Test
    @DisplayName("messages of 1 MiB")
    fun large() {
        val app = connect()
        val subscription = app.subscribe(name("/topic/large"))
        val text = "0123456789abcde\n".repeat(65536)
        app.send(name("/topic/large"), text)
        assertEquals(text, subscription.next().bodyAsText)
    }

    @Test
    @DisplayName("transactions: what is aborted does not arrive")
    fun transactions() {
        val app = connect()
        val subscription = app.subscribe(name("/queue/transactions"))
        assertThrows<IllegalStateException> {
            soon {
                app.session.withTransaction {
                    app.send(name("/queue/transactions"), "aborted", mapOf("transaction" to it))
                    error("no")
                }
            }
        }
        soon {
            app.session.withTransaction { app.send(name("/queue/transactions"), "committed", mapOf("transaction" to it)) }
        }
        assertEquals("committed", subscription.next().bodyAsText)
    }

    @Test
    @DisplayName("an idle connection lives by its heart-beats")
    fun idle() {
        val app = connect(setting = beating)
        app.beats.take(3) // 4.8 s; the broker gives up after 4 s of silence
        app.works()
        assertTrue(app.errors.waiting().isEmpty())
    }

    @Test
    @DisplayName("disconnect: its RECEIPT, and unacknowledged messages go back")
    fun disconnects() {
        val queue = name("/queue/left")
        val app = connect()
        val worker = app.subscribe(queue, AckMode.CLIENT)
        app.send(queue, "left")
        worker.next()
        app.leave()
        worker.ended.next() // the JDK reports krossbow's own close as a failure
        assertEquals("true", connect().subscribe(queue).next().headers["redelivered"])
    }

    @Test
    @DisplayName("unknown destination: ERROR, then the end; a new connection works")
    fun unknownDestination() {
        val app = connect()
        val subscription = app.subscribe(name("/topic/a"))
        app.send("/nowhere/a", "x")
        assertRefused(app, subscription, "unknown-destination", "/nowhere/a")
    }

    @Test
    @DisplayName("refused subscription: ERROR, then the end; a new connection works")
    fun refusedSubscription() {
        val app = connect()
        val subscription = app.subscribe(name("/topic/a"))
        runCatching { app.subscribe("/topic/secret.a") }
        assertRefused(app, subscription, "access-denied", "/topic/secret.a")
    }

    @Test
    @DisplayName("refused subscription, receipt-error: krossbow ends the session itself; a new connection works")
    fun refusedSubscriptionOnly() {
        Hoofbeat.start(configuration("receipt-error")).use { other ->
            val app = application().connect(other.webSocket())
            val subscription = app.subscribe("/topic/a")
            runCatching { app.subscribe("/topic/secret.a") }
            assertEquals("access-denied", app.errors.next().headers.message)
            subscription.faults()
            application().connect(other.webSocket()).works()
        }
    }

    @Test
    @DisplayName("expired token: ERROR, not connected; a new one connects")
    fun expired() {
        val app = application()
        assertThrows<StompConnectionException> { app.connect(broker.webSocket(), token(Duration.ofMinutes(-5))) }
        assertEquals("authentication-failed", app.errors.next().headers.message)
        connect(token()).works()
    }

    @Test
    @DisplayName("a token that ends: ERROR token-expired, then the end; a new one connects")
    fun expires() {
        val app = connect(token(Duration.ofSeconds(3)))
        assertRefused(app, app.subscribe(name("/topic/a")), "token-expired", "/hoofbeat/token")
        connect(token()).works()
    }

    @Test
    @DisplayName("too large a message: ERROR, then the end; a new connection works")
    fun tooLarge() {
        val app = connect()
        val subscription = app.subscribe(name("/topic/a"))
        runCatching { app.send(name("/topic/a"), "x".repeat(BODY_LIMIT + 1)) } // the broker stops reading at its limit
        assertRefused(app, subscription, "frame-too-large", "frame_body_bytes")
    }

    @Test
    @DisplayName("a broker that stops, or is killed, and comes back: queues and a new connection work")
    fun brokerGoesAway() {
        Hoofbeat.start(configuration("close")).use { other ->
            for (end in listOf(other::stop, other::kill)) {
                val subscription = application().connect(other.webSocket()).subscribe("/topic/a")
                end()
                subscription.faults()
                assertThrows<WebSocketException> { application().connect(other.webSocket()) }
                other.launch()
                application().connect(other.webSocket()).works("/queue/a")
            }
        }
    }

    @Test
    @DisplayName("a broker that falls silent is noticed")
    fun silentBroker() {
        Hoofbeat.start(configuration("close")).use { other ->
            val app = application().connect(other.webSocket(), setting = beating)
            val subscription = app.subscribe("/topic/a")
            other.freeze(true)
            val faults = subscription.faults()
            assertTrue(faults.any { it is MissingHeartBeatException }, faults.toString())
            other.freeze(false)
            application().connect(other.webSocket()).works()
        }
    }
}
