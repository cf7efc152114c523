package hoofbeat.krossbow

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.flow.Flow
import kotlinx.io.bytestring.ByteString
import okhttp3.Headers.Companion.toHeaders
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import okhttp3.WebSocket
import okhttp3.WebSocketListener
import okio.ByteString.Companion.toByteString
import org.hildan.krossbow.websocket.UnboundedWsListenerFlowAdapter
import org.hildan.krossbow.websocket.WebSocketClient
import org.hildan.krossbow.websocket.WebSocketConnection
import org.hildan.krossbow.websocket.WebSocketConnectionException
import org.hildan.krossbow.websocket.WebSocketFrame

/**
 * krossbow on OkHttp's WebSockets, as on Android. It corresponds to krossbow-websocket-okhttp, which is not on
 * every mirror of Maven Central.
 */
class OkHttpWebSockets(private val http: OkHttpClient) : WebSocketClient {
    override val supportsCustomHeaders = true

    override suspend fun connect(url: String, protocols: List<String>, headers: Map<String, String>): WebSocketConnection {
        val request = Request.Builder().url(url).headers(headers.toHeaders())
        if (protocols.isNotEmpty()) {
            request.header("Sec-WebSocket-Protocol", protocols.joinToString(", "))
        }
        val connection = OkHttpConnection(url)
        http.newWebSocket(request.build(), connection)
        return connection.opened.await()
    }
}

/** OkHttp calls the listener from one thread. */
private class OkHttpConnection(override val url: String) : WebSocketListener(), WebSocketConnection {
    val opened = CompletableDeferred<WebSocketConnection>()
    private val incoming = UnboundedWsListenerFlowAdapter()
    private lateinit var socket: WebSocket
    override var protocol: String? = null
        private set

    override val host: String get() = socket.request().url.host
    override val canSend: Boolean get() = true
    override val incomingFrames: Flow<WebSocketFrame> get() = incoming.incomingFrames

    override fun onOpen(webSocket: WebSocket, response: Response) {
        socket = webSocket
        protocol = response.header("Sec-WebSocket-Protocol")
        opened.complete(this)
    }

    override fun onMessage(webSocket: WebSocket, text: String) {
        incoming.onTextMessage(text)
    }

    override fun onMessage(webSocket: WebSocket, bytes: okio.ByteString) {
        incoming.onBinaryMessage(ByteString(bytes.toByteArray()))
    }

    override fun onClosing(webSocket: WebSocket, code: Int, reason: String) {
        incoming.onClose(code, reason)
        webSocket.close(code, reason)
    }

    override fun onFailure(webSocket: WebSocket, t: Throwable, response: Response?) {
        if (!opened.completeExceptionally(WebSocketConnectionException(url, response?.code, null, t.toString(), t))) {
            incoming.onError(t)
        }
    }

    // A frame sent after the end is dropped silently.
    override suspend fun sendText(frameText: String) {
        socket.send(frameText)
    }

    override suspend fun sendBinary(frameData: ByteString) {
        socket.send(frameData.toByteArray().toByteString())
    }

    override suspend fun close(code: Int, reason: String?) {
        socket.close(code, reason)
    }
}
