package hoofbeat.krossbow

import java.io.IOException
import okhttp3.OkHttpClient
import org.hildan.krossbow.stomp.StompErrorFrameReceived
import org.hildan.krossbow.websocket.WebSocketClient
import org.hildan.krossbow.websocket.builtin.builtIn
import org.junit.jupiter.api.DisplayName

private fun isErrorFrame(faults: List<Throwable>) = faults.any { it is StompErrorFrameReceived }

/** With the WebSockets of the JDK. They may have closed already when krossbow does, and that hides the ERROR. */
@DisplayName("krossbow, JDK")
class BuiltInTest : KrossbowContract(WebSocketClient.builtIn()) {
    override fun isRefusal(faults: List<Throwable>) = isErrorFrame(faults) || faults.any { it is IOException }
}

/** With those of OkHttp. */
@DisplayName("krossbow, OkHttp")
class OkHttpTest : KrossbowContract(OkHttpWebSockets(OkHttpClient())) {
    override fun isRefusal(faults: List<Throwable>) = isErrorFrame(faults)
}
