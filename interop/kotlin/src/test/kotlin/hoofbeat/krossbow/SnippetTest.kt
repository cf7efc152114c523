package hoofbeat.krossbow

import hoofbeat.spring.support.Guard
import hoofbeat.spring.support.Hoofbeat
import hoofbeat.spring.support.Inbox
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream
import java.nio.file.Files
import java.nio.file.Path
import java.time.Duration
import kotlin.concurrent.thread
import org.jetbrains.kotlin.cli.common.ExitCode
import org.jetbrains.kotlin.cli.jvm.K2JVMCompiler
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.DisplayName
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import org.junit.jupiter.api.io.TempDir

private const val ADDRESS = "ws://127.0.0.1:15674/ws"
private const val OVERVIEW = """(?s).*"name":"/queue/orders"[^}]*"ready":0,"unacked":0,"delayed":0,"consumers":1\b.*"""

private const val ENDED = "the connection has ended: "

private const val CONFIGURATION = """
auth: { jwt: { algorithms: [HS256], secret: "$SECRET" } }
acl: [{ name: all, allow: [subscribe, send], destinations: [/queue/orders] }]
"""

/** A call of the same function on Android. */
private const val ON_OKHTTP = """
object OnOkHttp {
    @JvmStatic
    fun main(args: Array<String>) = kotlinx.coroutines.runBlocking {
        workOnOrders(hoofbeat.krossbow.OkHttpWebSockets(okhttp3.OkHttpClient())) { System.getenv("TOKEN") }
    }
}
"""

/** The Kotlin code of docs/clients.md, compiled unchanged and run as a separate program. */
@DisplayName("krossbow, the documentation")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SnippetTest {
    private lateinit var folder: Path
    private lateinit var broker: Hoofbeat
    private val programs = mutableListOf<Process>()

    @BeforeAll
    fun compile(@TempDir folder: Path) {
        this.folder = folder
        broker = Hoofbeat.start(CONFIGURATION)
        val page = Files.readString(Path.of("../../docs/clients.md"))
        val snippet = Regex("```kotlin\n(.*?)```", RegexOption.DOT_MATCHES_ALL).findAll(page).map { it.groupValues[1] }.single()
        assertEquals(2, snippet.split(ADDRESS).size, "the address is in the snippet once")
        val sources = mapOf("Snippet.kt" to snippet.replace(ADDRESS, broker.webSocket()), "OnOkHttp.kt" to ON_OKHTTP)
            .map { (name, text) -> Files.writeString(folder.resolve(name), text).toString() }
        val said = ByteArrayOutputStream()
        val arguments = arrayOf("-d", folder.toString(), "-no-stdlib", "-no-reflect", "-cp", System.getProperty("java.class.path"), "-jvm-target", "17")
        val result = K2JVMCompiler().exec(PrintStream(said), *arguments, *sources.toTypedArray())
        assertEquals(ExitCode.OK, result, "$said\n$snippet")
    }

    @AfterAll
    fun stopBroker() = broker.close()

    @AfterEach
    fun end() {
        programs.forEach { it.destroyForcibly().waitFor() }
        programs.clear()
    }

    /** Starts a program and returns its output line by line. */
    private fun run(name: String, token: String): Inbox<String> {
        val classes = folder.toString() + File.pathSeparator + System.getProperty("java.class.path")
        val builder = ProcessBuilder(ProcessHandle.current().info().command().get(), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", classes, name).redirectErrorStream(true)
        builder.environment()["TOKEN"] = token
        val process = builder.start()
        Guard.over(process)
        programs += process
        val lines = Inbox<String>("a line of $name")
        thread(isDaemon = true) { process.inputReader().forEachLine(lines::put) }
        return lines
    }

    private fun consumesAndComesBack(name: String) {
        val lines = run(name, token())
        assertEquals("order two horseshoes", lines.next())
        awaitAcknowledged()
        broker.stop()
        var line = lines.next()
        assertTrue(line.startsWith(ENDED), line)
        broker.launch()
        while (line.startsWith(ENDED)) { // the broker may not have been back yet
            line = lines.next()
        }
        assertEquals("order two horseshoes", line)
        awaitAcknowledged()
    }

    /** Waits until the program is connected and every message is acknowledged. */
    private fun awaitAcknowledged() {
        val end = System.nanoTime() + Inbox.PATIENCE * 1_000_000_000L
        while (!broker.overview().matches(Regex(OVERVIEW))) {
            assertTrue(System.nanoTime() < end, broker.overview())
            Thread.sleep(20) // the broker does not announce changes
        }
    }

    @Test
    @DisplayName("the snippet consumes what it sends, and comes back, with the JDK's WebSocket")
    fun jdk() = consumesAndComesBack("SnippetKt")

    @Test
    @DisplayName("the snippet consumes what it sends, and comes back, with OkHttp's")
    fun okHttp() = consumesAndComesBack("OnOkHttp")

    @Test
    @DisplayName("the snippet shows that its token has expired")
    fun expired() {
        val lines = run("SnippetKt", token(Duration.ofMinutes(-5)))
        assertEquals("authentication-failed: The credentials were not accepted: the token has expired.", lines.next())
    }
}
