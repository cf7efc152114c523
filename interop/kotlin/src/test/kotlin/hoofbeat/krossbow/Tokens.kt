package hoofbeat.krossbow

import java.time.Duration
import java.time.Instant
import java.util.Base64
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec

/** The secret of tokens in the broker's configuration. */
const val SECRET = "the secret of all tests with krossbow"

private val text = Base64.getUrlEncoder().withoutPadding()

/** A token for ada with this lifetime, which may be negative. */
fun token(lifetime: Duration = Duration.ofMinutes(5)): String {
    val end = Instant.now().plus(lifetime).epochSecond
    val signed = listOf("""{"alg":"HS256"}""", """{"sub":"ada","exp":$end}""").joinToString(".") { text.encodeToString(it.toByteArray()) }
    val mac = Mac.getInstance("HmacSHA256").apply { init(SecretKeySpec(SECRET.toByteArray(), algorithm)) }
    return signed + "." + text.encodeToString(mac.doFinal(signed.toByteArray()))
}
