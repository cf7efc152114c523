package hoofbeat.spring.relay;

import hoofbeat.spring.support.Inbox;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletionStage;

/** A WebSocket without a STOMP client; it sends and receives text messages. */
final class RawClient implements AutoCloseable, WebSocket.Listener {
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    /** Received text messages, and finally "closed". */
    final Inbox<String> received = new Inbox<>("a message or the end");
    private final StringBuilder text = new StringBuilder();
    private WebSocket socket;

    static RawClient connect(String url) {
        RawClient client = new RawClient();
        client.socket = HTTP.newWebSocketBuilder().buildAsync(URI.create(url), client).join();
        return client;
    }

    void send(String message) {
        socket.sendText(message, true).join();
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
        text.append(data);
        if (last) {
            received.put(text.toString());
            text.setLength(0);
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int status, String reason) {
        received.put("closed");
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable fault) {
        received.put("closed: " + fault);
    }

    @Override
    public void close() {
        socket.abort();
    }
}
