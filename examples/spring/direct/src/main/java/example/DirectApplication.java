package example;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

@SpringBootApplication
public class DirectApplication {
    public static void main(String[] args) {
        SpringApplication.run(DirectApplication.class, args);
    }
}
