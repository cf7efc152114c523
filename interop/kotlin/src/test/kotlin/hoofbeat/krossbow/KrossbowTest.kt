package hoofbeat.krossbow

import okhttp3.OkHttpClient
import org.hildan.krossbow.websocket.WebSocketClient
import org.hildan.krossbow.websocket.builtin.builtIn
import org.junit.jupiter.api.DisplayName

/** With the WebSockets of the JDK. */
@DisplayName("krossbow, JDK")
class BuiltInTest : KrossbowContract(WebSocketClient.builtIn())

/** With those of OkHttp. */
@DisplayName("krossbow, OkHttp")
class OkHttpTest : KrossbowContract(OkHttpWebSockets(OkHttpClient()))
