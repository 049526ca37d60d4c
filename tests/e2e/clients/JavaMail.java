/* As a Java program does it: java JavaMail.java PORT LOGIN PASSWORD FROM TO starttls|implicit [MECHANISM] */
import java.util.Properties;
import javax.activation.DataHandler;
import javax.mail.Message;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMessage;
import javax.mail.internet.MimeMultipart;
import javax.mail.util.ByteArrayDataSource;

public class JavaMail {
	public static void main(String[] words) throws Exception {
		Properties settings = new Properties();
		boolean isImplicit = words[5].equals("implicit");
		settings.put("mail.smtp.host", "localhost");
		settings.put("mail.smtp.port", words[0]);
		settings.put("mail.smtp.auth", "true");
		settings.put("mail.smtp.ssl.enable", String.valueOf(isImplicit));
		settings.put("mail.smtp.starttls.required", String.valueOf(!isImplicit));
		settings.put("mail.smtp.ssl.checkserveridentity", "true");
		if (words.length > 6)
			settings.put("mail.smtp.auth.mechanisms", words[6]);
		if (words.length > 7)
			settings.put("mail.smtp.chunksize", words[7]);

		MimeMessage message = new MimeMessage(Session.getInstance(settings));
		message.setFrom(new InternetAddress(words[3], "Müllers Shop", "utf-8"));
		message.setRecipient(Message.RecipientType.TO, new InternetAddress(words[4]));
		message.setSubject("order 42");
		message.setHeader("Importance", "High");
		MimeBodyPart text = new MimeBodyPart();
		text.setText("Grüße\r\n.\r\n..\r\n", "utf-8");
		byte[] bytes = new byte[256 * 40];
		for (int i = 0; i < bytes.length; i++)
			bytes[i] = (byte) i;
		MimeBodyPart picture = new MimeBodyPart();
		picture.setDataHandler(new DataHandler(new ByteArrayDataSource(bytes, "application/octet-stream")));
		message.setContent(new MimeMultipart(text, picture));
		Transport.send(message, words[1], words[2]);
	}
}
