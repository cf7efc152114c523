package hoofbeat.spring.client;

import org.junit.jupiter.api.DisplayName;
import org.springframework.web.socket.sockjs.client.RestTemplateXhrTransport;
import org.springframework.web.socket.sockjs.client.Transport;

@DisplayName("SockJsClient over XHR streaming")
class SockJsStreamingTest extends SockJsContract {
    @Override
    Transport transport() {
        return new RestTemplateXhrTransport();
    }
}
