package hoofbeat.krossbow

import hoofbeat.spring.support.Inbox
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.hildan.krossbow.stomp.StompClient
import org.hildan.krossbow.stomp.StompSession
import org.hildan.krossbow.stomp.config.StompConfig
import org.hildan.krossbow.stomp.frame.FrameBody
import org.hildan.krossbow.stomp.frame.StompFrame
import org.hildan.krossbow.stomp.headers.AckMode
import org.hildan.krossbow.stomp.headers.StompSendHeaders
import org.hildan.krossbow.stomp.headers.StompSubscribeHeaders
import org.hildan.krossbow.stomp.instrumentation.KrossbowInstrumentation
import org.hildan.krossbow.websocket.WebSocketClient
import org.hildan.krossbow.websocket.WebSocketFrame

/** Runs an action with a time limit. */
fun <T> soon(action: suspend CoroutineScope.() -> T): T = runBlocking { withTimeout(Inbox.PATIENCE.seconds, action) }

/** An application's view of a connection. Its subscriptions end with the scope. */
class Application(private val webSockets: WebSocketClient, private val scope: CoroutineScope) : KrossbowInstrumentation {
    val connected = Inbox<StompFrame.Connected>("CONNECTED")
    val errors = Inbox<StompFrame.Error>("ERROR")
    val beats = Inbox<String>("a heart-beat")
    lateinit var session: StompSession

    override suspend fun onWebSocketFrameReceived(frame: WebSocketFrame) {
        if (frame is WebSocketFrame.Text && frame.text == "\n") {
            beats.put(frame.text)
        }
    }

    override suspend fun onFrameDecoded(originalFrame: WebSocketFrame, decodedFrame: StompFrame) {
        when (decodedFrame) {
            is StompFrame.Connected -> connected.put(decodedFrame)
            is StompFrame.Error -> errors.put(decodedFrame)
            else -> {}
        }
    }

    fun connect(url: String, token: String? = null, setting: StompConfig.() -> Unit = {}): Application {
        val client = StompClient(webSockets) {
            receiptTimeout = Inbox.PATIENCE.seconds
            disconnectTimeout = Inbox.PATIENCE.seconds
            setting()
            instrumentation = this@Application
        }
        val headers = if (token == null) emptyMap() else mapOf("Authorization" to "Bearer $token")
        session = soon { client.connect(url, customStompConnectHeaders = headers) }
        return this
    }

    /** Disconnects. */
    fun leave() = soon { session.disconnect() }

    /** Subscribes. When this returns, the subscription is in force or refused. */
    fun subscribe(destination: String, mode: AckMode = AckMode.AUTO): Subscription {
        val subscription = Subscription()
        val messages = soon {
            session.subscribe(StompSubscribeHeaders(destination) {
                ack = mode
                receipt = "subscribed"
            })
        }
        scope.launch {
            subscription.ended.put(runCatching { messages.collect { subscription.messages.put(it) } })
        }
        return subscription
    }

    fun send(destination: String, body: FrameBody, headers: Map<String, String> = emptyMap()) {
        soon { session.send(StompSendHeaders(destination) { headers.forEach { (name, value) -> set(name, value) } }, body) }
    }

    fun send(destination: String, text: String, headers: Map<String, String> = emptyMap()) = send(destination, FrameBody.Text(text), headers)
}

/** The messages of a subscription, and the way it ended. */
class Subscription {
    val messages = Inbox<StompFrame.Message>("a MESSAGE")
    val ended = Inbox<Result<Unit>>("the end of the subscription")

    fun next(): StompFrame.Message = messages.next()

    /** All failures that led to the end, which must not look like a normal one. */
    fun faults(): List<Throwable> {
        val fault = checkNotNull(ended.next().exceptionOrNull()) { "the subscription has ended without a fault" }
        return generateSequence(fault) { it.cause }.toList()
    }
}
