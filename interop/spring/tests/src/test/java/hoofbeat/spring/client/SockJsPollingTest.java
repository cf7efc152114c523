package hoofbeat.spring.client;

import org.junit.jupiter.api.DisplayName;
import org.springframework.web.socket.sockjs.client.RestTemplateXhrTransport;
import org.springframework.web.socket.sockjs.client.Transport;

@DisplayName("SockJsClient over XHR polling")
class SockJsPollingTest extends SockJsContract {
    @Override
    Transport transport() {
        RestTemplateXhrTransport xhr = new RestTemplateXhrTransport();
        xhr.setXhrStreamingDisabled(true);
        return xhr;
    }
}
