// A client whose vendor address is built in, with java.net.http and, for the file, java.net.URL.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class WithJava {
    static final String API = "https://api.crun.ai/api/v1/client";
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    static String call(HttpRequest.Builder request) throws Exception {
        return CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString()).body();
    }

    static HttpRequest.Builder api(String path) {
        return HttpRequest.newBuilder(URI.create(API + path)).header("x-api-key", System.getenv("CRUN_API_KEY"));
    }

    static String pick(String text, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"?([^\",}]*)").matcher(text);
        found.find();
        return found.group(1);
    }

    public static void main(String[] arguments) throws Exception {
        String balance = pick(call(api("/account/balance")), "balance");
        String links = call(api("/files/upload-url?content_type=image/png&ext=.png"));
        HttpRequest.BodyPublisher body = HttpRequest.BodyPublishers.ofString("bytes");
        URI upload = URI.create(pick(links, "presigned_url"));
        call(HttpRequest.newBuilder(upload).PUT(body).header("Content-Type", "image/png"));
        String url = pick(links, "file_url");
        String echo = new String(URI.create(url).toURL().openStream().readAllBytes());
        System.out.printf("{\"balance\": %s, \"url\": \"%s\", \"echo\": \"%s\"}%n", balance, url, echo);
    }
}
