package example;

import org.springframework.messaging.handler.annotation.MessageMapping;
import org.springframework.messaging.handler.annotation.SendTo;
import org.springframework.messaging.simp.annotation.SendToUser;
import org.springframework.stereotype.Controller;

@Controller
class GreetingController {
    record Name(String name) {}

    record Greeting(String text) {}

    /** SEND to /app/greet; all subscribers receive the greeting. */
    @MessageMapping("/greet")
    @SendTo("/topic/greetings")
    Greeting greet(Name name) {
        return new Greeting("Hello, " + name.name() + "!");
    }

    /** SEND to /app/whisper; only the sender receives the answer. */
    @MessageMapping("/whisper")
    @SendToUser("/queue/whispers")
    Greeting whisper(Name name) {
        return new Greeting("Hello, " + name.name() + ", nobody else hears this.");
    }
}
